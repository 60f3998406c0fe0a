require ["regex","vacation"];
# rule:[Vacances]
if anyof (header :regex "received" "(20|21|22|23|24|25|26|27|28|29|30|31) Jul 2027", header :regex "received" "([ 0]1|[ 0]2|[ 0]3|[ 0]4|[ 0]5) Aug 2027")
{
	vacation :subject "Absent" "Je suis absent.";
}
