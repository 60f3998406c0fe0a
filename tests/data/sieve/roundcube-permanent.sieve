require ["vacation"];
# rule:[Vacances]
if true
{
	vacation "Je suis absent.";
}
