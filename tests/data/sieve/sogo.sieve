require ["vacation","date","relational","variables"];
if header :matches "Subject" "*" { set "subject" "${1}"; }

if allof ( currentdate :value "ge" "date" "2027-12-20",
currentdate :value "lt" "date" "2028-01-03" ) {
vacation :days 7 :addresses ["marie@exemple.fr", "m.martin@exemple.fr"] :subject "Out of office: ${subject}" text:
I am away until 3 January.

Marie
.
;
}
