require ["date","relational","vacation"];
# rule:[Vacances]
if false # currentdate :zone "+0100" :value "ge" "date" "2027-12-20"
{
	vacation :subject "Absent" "Je suis absent.";
}
