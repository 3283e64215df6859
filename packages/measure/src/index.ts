export { type EventSource, type MeasuredEvent, type PcrIndex } from "./event.ts";
