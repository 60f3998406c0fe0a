require ["fileinto","vacation"];

# This is SnappyMail sieve script.
# Please don't change anything here.
# RAINLOOP:SIEVE

/*
BEGIN:FILTER:a1
BEGIN:HEADER
eyJJRCI6ImExIiwiRW5hYmxlZCI6dHJ1ZSwiTmFtZSI6IkxldHRyZXMiLCJDb25kaXRpb25zIj
pbeyJGaWVsZCI6IlN1YmplY3QiLCJUeXBlIjoiQ29udGFpbnMiLCJWYWx1ZSI6ImxldHRyZSIs
IlZhbHVlU2Vjb25kIjoiIn1dLCJDb25kaXRpb25zVHlwZSI6IkFueSIsIkFjdGlvblR5cGUiOi
JNb3ZlVG8iLCJBY3Rpb25WYWx1ZSI6IkxldHRyZXMiLCJBY3Rpb25WYWx1ZVNlY29uZCI6IiIs
IkFjdGlvblZhbHVlVGhpcmQiOiIiLCJBY3Rpb25WYWx1ZUZvdXJ0aCI6IiIsIktlZXAiOnRydW
UsIlN0b3AiOnRydWUsIk1hcmtBc1JlYWQiOmZhbHNlfQ==
END:HEADER
*/

if header :contains ["Subject"] "lettre"
{
    fileinto "Lettres";
    stop;
}

/* END:FILTER */

/*
BEGIN:FILTER:b2
BEGIN:HEADER
eyJJRCI6ImIyIiwiRW5hYmxlZCI6dHJ1ZSwiTmFtZSI6IkFic2VuY2UiLCJDb25kaXRpb25zIj
pbeyJGaWVsZCI6IkZyb20iLCJUeXBlIjoiTm90Q29udGFpbnMiLCJWYWx1ZSI6IkBleGVtcGxl
LmZyIiwiVmFsdWVTZWNvbmQiOiIifV0sIkNvbmRpdGlvbnNUeXBlIjoiQW55IiwiQWN0aW9uVH
lwZSI6IlZhY2F0aW9uIiwiQWN0aW9uVmFsdWUiOiJKZSBzdWlzIGFic2VudC4iLCJBY3Rpb25W
YWx1ZVNlY29uZCI6IiIsIkFjdGlvblZhbHVlVGhpcmQiOiIwIiwiQWN0aW9uVmFsdWVGb3VydG
giOiIiLCJLZWVwIjp0cnVlLCJTdG9wIjp0cnVlLCJNYXJrQXNSZWFkIjpmYWxzZX0=
END:HEADER
*/

if not header :contains ["From"] "@exemple.fr"
{
    vacation :days 1 "Je suis absent.";
    stop;
}

/* END:FILTER */
