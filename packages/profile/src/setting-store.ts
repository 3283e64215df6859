import { assert } from "@cvm-build/bytes";
import type { SourcePosition } from "./position.ts";
import type { DefaultContext, SettingRow } from "./setting.ts";
import { findSetting } from "./setting-table.ts";

/** Where an assignment was made, weakest first; a stronger layer wins however early it was read. */
export const LAYERS = ["files", "local file", "local directory", "command line"] as const;
/** One of `LAYERS`. */
export type Layer = (typeof LAYERS)[number];

/** A place in the order of all that was read: the layer first, then the turn in it. */
export interface Turn {
  layer: Layer;
  sequence: number;
}

/** One item of an assignment, or a reset (`Name=`). */
export interface Contribution {
  turn: Turn;
  position: SourcePosition;
  /** Absent: a reset. */
  item?: { value: unknown };
}

/** Tells whether one thing was said before (or more weakly than) another. */
export function isBefore(one: Turn, other: Turn): boolean {
  const layers = LAYERS.indexOf(one.layer) - LAYERS.indexOf(other.layer);
  return layers < 0 || (layers === 0 && one.sequence < other.sequence);
}

/** Every assignment read so far, and the values that they come to. */
export class SettingStore {
  readonly #contributions = new Map<SettingRow, Record<Layer, Contribution[]>>();
  readonly #defaults: Omit<DefaultContext, "value">;

  constructor(defaults: Omit<DefaultContext, "value">) {
    this.#defaults = defaults;
  }

  /** Adds one item or reset of an assignment; within a layer in the order of reading. */
  add(row: SettingRow, contribution: Contribution): void {
    let layers = this.#contributions.get(row);
    if (layers === undefined) {
      layers = { files: [], "local file": [], "local directory": [], "command line": [] };
      this.#contributions.set(row, layers);
    }
    layers[contribution.turn.layer].push(contribution);
  }

  /** Gives the contributions that count: after the last reset, and of those the last one or all. */
  effective(row: SettingRow): Required<Contribution>[] {
    const layers = this.#contributions.get(row);
    if (layers === undefined) return [];
    if (row.kind.merge === "last") {
      const last = layers[LAYERS.findLast((layer) => layers[layer].length > 0)!].at(-1)!;
      return last.item === undefined ? [] : [last as Required<Contribution>];
    }
    const all = LAYERS.flatMap((layer) => layers[layer]);
    const reset = all.findLastIndex(({ item }) => item === undefined);
    const items = all.slice(reset + 1) as Required<Contribution>[];
    const { key } = row.kind;
    if (key === undefined) return items;
    const lastOfKey = new Map(items.map((item) => [key(item.item.value), item]));
    return items.filter((item) => lastOfKey.get(key(item.item.value)) === item);
  }

  /** Gives the value so far, the default where nothing counts, or undefined. */
  value(row: SettingRow): unknown {
    const items = this.effective(row);
    if (items.length > 0) return row.kind.collect(items.map(({ item }) => item.value));
    // An explicit `Name=` takes a list's default away too, and a single value's assignments only.
    const isCleared = this.#contributions.has(row) && row.kind.merge !== "last";
    if (row.default !== undefined && !isCleared) {
      return row.default({ ...this.#defaults, value: (name) => this.valueOf(name) });
    }
    return row.kind.merge === "last" || row.isUnsetWhenEmpty ? undefined : row.kind.collect([]);
  }

  /** Gives the value so far of the setting `Section.Name`. */
  valueOf(fullName: string): unknown {
    const row = findSetting(fullName);
    assert(row !== undefined, `no setting ${fullName} in the table`);
    return this.value(row);
  }

  /** Formats the value that conditions and specifiers see, an item an element; undefined where it has none. */
  visible(row: SettingRow): string[] | undefined {
    return row.isDefaultHidden && this.effective(row).length === 0 ? undefined : this.formatted(row);
  }

  /** Formats the value so far, an item an element; undefined where it has none. */
  formatted(row: SettingRow): string[] | undefined {
    const value = this.value(row);
    if (value === undefined) return undefined;
    const items =
      row.kind.merge === "last" ? [value] : row.kind.key ? Object.entries(value as object) : (value as unknown[]);
    return items.map((item) => row.kind.item.format(item));
  }
}
