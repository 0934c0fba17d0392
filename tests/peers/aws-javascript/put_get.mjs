// Writes an object with the AWS SDK for JavaScript and prints what it then reads back:
//
//     node put_get.mjs BUCKET KEY TEXT
//
// Its credentials are those of the `credential_process` of the profile in AWS_PROFILE; where S3 is, the SDK
// learns as in every program: from AWS_ENDPOINT_URL and its like.

import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { fromProcess } from "@aws-sdk/credential-provider-process";

const [bucket, key, text] = process.argv.slice(2);
if (text === undefined) {
  console.error("usage: put_get.mjs BUCKET KEY TEXT");
  process.exit(2);
}
const s3 = new S3Client({ credentials: fromProcess(), forcePathStyle: true });
await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: text }));
const object = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
console.log(await object.Body.transformToString());
