export { openKey } from "./key.ts";
