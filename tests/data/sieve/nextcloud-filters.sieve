### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###
require "date";
require "relational";
require "vacation";
### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###
require "fileinto";

if address "From" "marketing@company.example" {
    fileinto "INBOX.marketing";
}

### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###
# DATA: {"version":1,"enabled":true,"start":"2027-02-01T00:00:00+01:00","end":"2027-02-14T23:59:00+01:00","subject":"Abwesend","message":"Ich bin im Urlaub."}
if allof(currentdate :value "ge" "iso8601" "2027-01-31T23:00:00Z", currentdate :value "le" "iso8601" "2027-02-14T22:59:00Z") {
	if not anyof(exists "List-Id", exists "List-Unsubscribe", address :all :matches ["From", "Sender"] ["noreply@*", "no-reply@*"]) {
		vacation :days 4 :subject "Abwesend" :addresses ["klaus@exemple.fr"] "Ich bin im Urlaub.";
	}
}
### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###