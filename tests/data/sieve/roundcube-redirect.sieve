require ["vacation"];
# rule:[Vacances]
if true
{
	vacation "Je suis absent.";
	redirect "chez@moi.example";
}
