### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###
require "date";
require "relational";
require "vacation";
require "variables";
### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###

### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###
# DATA: {"version":1,"enabled":true,"start":"2027-02-01T00:00:00+01:00","subject":"Re: ${subject}","message":"Ich habe \"${subject}\" erhalten."}
set "subject" "";
if header :matches "subject" "*" {
	set "subject" "${1}";
}
if currentdate :value "ge" "iso8601" "2027-01-31T23:00:00Z" {
	if not anyof(exists "List-Id", exists "List-Unsubscribe", address :all :matches ["From", "Sender"] ["noreply@*", "no-reply@*"]) {
		vacation :days 4 :subject "Re: ${subject}" :addresses ["klaus@exemple.fr"] "Ich habe \"${subject}\" erhalten.";
	}
}
### Nextcloud Mail: Vacation Responder ### DON'T EDIT ###