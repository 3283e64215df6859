import type { FoundPartition, Gpt } from "./reader.ts";

/** A partition table as text, one line each partition. */
export function dumpGpt({ diskUuid, sectorBytes, table, partitions, problems }: Gpt): string {
  const lines = [
    `disk ${diskUuid}, sectors of ${sectorBytes} bytes, ${table} table`,
    ...partitions.map(partitionLine),
    ...problems.map((problem) => `problem: ${problem}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function partitionLine(partition: FoundPartition): string {
  const { index, type, typeUuid, architecture, uuid, label, offsetBytes, sizeBytes, flags } = partition;
  const kind = type === undefined ? typeUuid : [type, architecture].filter(Boolean).join(" ");
  const words = [`${index + 1}:`, kind, uuid, JSON.stringify(label), `at ${offsetBytes}, ${sizeBytes} bytes`, ...flags];
  return words.join(" ");
}
