export { type Answer, requestJson, textField } from "./request.ts";
export { runForOutput } from "./program.ts";
