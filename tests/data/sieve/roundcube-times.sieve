require ["date","fileinto","imap4flags","relational","vacation"];
# rule:[Vacances]
if allof (currentdate :zone "+0200" :value "ge" "iso8601" "2027-07-10T08:00:00+02:00", currentdate :zone "+0200" :value "le" "iso8601" "2027-07-31T18:00:00+02:00")
{
	vacation :days 3 :addresses ["jean.dupont@exemple.fr","j.dupont@exemple.fr"] :subject "Absent jusqu'au 31 juillet" :from "=?UTF-8?B?SsOpYW4=?= <jean.dupont@exemple.fr>" text:
Bonjour,

Je suis "absent" jusqu'au 31 juillet \o/.
..et de retour ensuite.
...
Jean
.
;
}
# rule:[Spam]
if header :contains "X-Spam-Flag" "YES"
{
	fileinto "Junk";
	stop;
}
# rule:[Liste]
if header :contains "list-id" "clients.exemple.fr"
{
	fileinto "Listes";
	addflag "\\Seen";
}
