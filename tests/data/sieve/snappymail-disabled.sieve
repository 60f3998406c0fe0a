require ["vacation"];

# This is SnappyMail sieve script.
# Please don't change anything here.
# RAINLOOP:SIEVE

/*
BEGIN:FILTER:f1
BEGIN:HEADER
eyJJRCI6ImYxIiwiRW5hYmxlZCI6ZmFsc2UsIk5hbWUiOiJBYnNlbmNlIiwiQ29uZGl0aW9ucy
I6W10sIkNvbmRpdGlvbnNUeXBlIjoiQW55IiwiQWN0aW9uVHlwZSI6IlZhY2F0aW9uIiwiQWN0
aW9uVmFsdWUiOiJKZSBzdWlzIGFic2VudC4iLCJBY3Rpb25WYWx1ZVNlY29uZCI6IkFic2VudC
IsIkFjdGlvblZhbHVlVGhpcmQiOiIiLCJBY3Rpb25WYWx1ZUZvdXJ0aCI6IiIsIktlZXAiOnRy
dWUsIlN0b3AiOnRydWUsIk1hcmtBc1JlYWQiOmZhbHNlfQ==
END:HEADER
*/
/* @Filter is disabled 
vacation :days 1 :subject "Absent" "Je suis absent.";
stop;
*/
/* END:FILTER */
