require ["vacation"];

# This is SnappyMail sieve script.
# Please don't change anything here.
# RAINLOOP:SIEVE

/*
BEGIN:FILTER:f1
BEGIN:HEADER
eyJJRCI6ImYxIiwiRW5hYmxlZCI6dHJ1ZSwiTmFtZSI6IkFic2VuY2UiLCJDb25kaXRpb25zIj
pbXSwiQ29uZGl0aW9uc1R5cGUiOiJBbnkiLCJBY3Rpb25UeXBlIjoiVmFjYXRpb24iLCJBY3Rp
b25WYWx1ZSI6IkplIHN1aXMgYWJzZW50LlxyXG4uUGF1bCBcImV0XCIgQzpcXHRlbXAiLCJBY3
Rpb25WYWx1ZVNlY29uZCI6IkNvbmfDqXMgIGQnw6l0w6kiLCJBY3Rpb25WYWx1ZVRoaXJkIjoi
MyIsIkFjdGlvblZhbHVlRm91cnRoIjoicGF1bEBleGVtcGxlLmZyLHAuZHVyYW5kQGV4ZW1wbG
UuZnIiLCJLZWVwIjp0cnVlLCJTdG9wIjpmYWxzZSwiTWFya0FzUmVhZCI6ZmFsc2V9
END:HEADER
*/

vacation :days 3 :addresses ["paul@exemple.fr", "p.durand@exemple.fr"] :subject "Congés d'été" "Je suis absent.
.Paul \"et\" C:\\temp";

/* END:FILTER */
