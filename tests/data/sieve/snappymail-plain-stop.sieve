require ["vacation"];

# This is SnappyMail sieve script.
# Please don't change anything here.
# RAINLOOP:SIEVE

/*
BEGIN:FILTER:f1
BEGIN:HEADER
eyJJRCI6ImYxIiwiRW5hYmxlZCI6dHJ1ZSwiTmFtZSI6IkFic2VuY2UiLCJDb25kaXRpb25zIj
pbXSwiQ29uZGl0aW9uc1R5cGUiOiJBbnkiLCJBY3Rpb25UeXBlIjoiVmFjYXRpb24iLCJBY3Rp
b25WYWx1ZSI6IkplIHN1aXMgYWJzZW50LiIsIkFjdGlvblZhbHVlU2Vjb25kIjoiIiwiQWN0aW
9uVmFsdWVUaGlyZCI6IiIsIkFjdGlvblZhbHVlRm91cnRoIjoiIiwiS2VlcCI6dHJ1ZSwiU3Rv
cCI6dHJ1ZSwiTWFya0FzUmVhZCI6ZmFsc2V9
END:HEADER
*/

vacation :days 1 "Je suis absent.";
stop;

/* END:FILTER */
