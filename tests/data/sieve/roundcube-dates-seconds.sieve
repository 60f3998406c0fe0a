require ["date","fileinto","imap4flags","relational","vacation-seconds"];
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
# rule:[Vacances]
if allof (currentdate :zone "+0100" :value "ge" "date" "2027-12-20", currentdate :zone "+0100" :value "le" "date" "2028-01-03")
{
	vacation :seconds 3600 :subject "Congés d’été \"longs\"" "Je suis absent.";
}
