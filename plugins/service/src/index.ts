export { plainCredential } from "./credential.ts";
export { type Answer, requestJson, serviceUrl, textField } from "./request.ts";
export { runForOutput } from "./program.ts";
