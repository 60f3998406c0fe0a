### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###
# DATA: {"version":1,"enabled":true,"start":"2027-02-01T00:00:00+00:00","end":"2027-02-15T00:00:00+00:00","subject":"Absence","message":"Ich bin im Urlaub."}
require "date";
require "relational";
require "vacation";
if allof(currentdate :value "ge" "iso8601" "2027-02-01T00:00:00Z", currentdate :value "le" "iso8601" "2027-02-15T00:00:00Z") {
	vacation :days 4 :subject "Abwesend" :addresses ["Klaus <klaus@exemple.fr>", "k.weber@exemple.fr"] "Ich bin im Urlaub.
Viele Grüße";
}
### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###
