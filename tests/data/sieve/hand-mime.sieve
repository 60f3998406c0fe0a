require ["vacation", "vacation-seconds", "variables"];
if header :matches "subject" "*" {
  set "subj" "${1}";
}
vacation :seconds 28800 :handle "autorespond" :from "Sales <sales@exemple.fr>" :subject "Re: ${subj}" :mime text:
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b1"

--b1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Merci, nous répondons sous 8 heures.
--b1
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<p>Merci, nous répondons sous <b>8 heures</b>.</p>
--b1--
.
;
discard;
