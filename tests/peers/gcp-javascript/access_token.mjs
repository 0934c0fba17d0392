// Gets an access token by the credential configuration that GOOGLE_APPLICATION_CREDENTIALS names, from what stands in
// for Google's servers: access_token.mjs URL
import { readFileSync } from "node:fs";

import { ExternalAccountClient } from "google-auth-library";

const url = process.argv[2];
let text = readFileSync(process.env.GOOGLE_APPLICATION_CREDENTIALS, "utf8");
for (const host of ["sts.googleapis.com", "iamcredentials.googleapis.com"]) {
  text = text.replaceAll(`https://${host}`, url);
}
try {
  const client = ExternalAccountClient.fromJSON(JSON.parse(text));
  client.scopes = ["https://www.googleapis.com/auth/cloud-platform"];
  const { token } = await client.getAccessToken();
  // Not on standard error, where the library's warning is.
  console.log(token);
} catch (error) {
  console.log(`Error: ${error.message}`);
  process.exitCode = 1;
}
