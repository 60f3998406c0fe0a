require ["copy","vacation"];
# rule:[Vacances]
if true
{
	vacation "Je suis absent.";
	redirect :copy "chez@moi.example";
}
