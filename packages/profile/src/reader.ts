import { realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Assignment, type AssignmentPlace, expandText, readAssignment, readItem } from "./assignment.ts";
import { type DeclarationBeside, declarationsBeside, refusedBeside, valuesBeside } from "./beside.ts";
import {
  checkAssertions,
  checkConditionNames,
  CONDITION_SECTIONS,
  type ConditionContext,
  isMatched,
} from "./condition.ts";
import { profileError, quoteText } from "./error.ts";
import { type IniSection, parseIni } from "./ini.ts";
import { CVM_LAYOUT, type Layout, layoutOf } from "./layout.ts";
import type { LoadRequest } from "./load-request.ts";
import type { UnsupportedSetting } from "./unsupported.ts";
import { findMkosiSetting } from "./mkosi-setting.ts";
import type { SourcePosition } from "./position.ts";
import { ProfileDisk } from "./profile-disk.ts";
import type { SettingRow } from "./setting.ts";
import { checkSection, checkSettingName, completeSettingName } from "./setting-name.ts";
import { type Layer, SettingStore, type Turn } from "./setting-store.ts";
import { findSetting } from "./setting-table.ts";
import { didYouMean } from "./suggest.ts";

/** A declaration and when it was come upon. */
export interface FoundDeclaration extends DeclarationBeside {
  turn: Turn;
}

/** The file that is being read. */
interface Place {
  /** Absolute. */
  path: string;
  /** Absolute directory that relative paths start from: that of the configuration that the file belongs to. */
  base: string;
}

const COMMAND_LINE: SourcePosition = { file: "command line" };
const INCLUDE = findSetting("Include.Include")!;
const PROFILES = findSetting("Config.Profiles")!;

/** Reads the files of a configuration in mkosi's order and keeps what they say. */
export class ConfigReader {
  readonly disk: ProfileDisk;
  readonly store: SettingStore;
  readonly unsupported: UnsupportedSetting[] = [];
  readonly declarations: FoundDeclaration[] = [];
  readonly #request: LoadRequest;
  readonly #included = new Set<string>();
  readonly #foundProfiles = new Set<string>();
  readonly #availableProfiles = new Set<string>();
  #layer: Layer = "files";
  #sequence = 0;

  constructor(request: LoadRequest) {
    this.#request = request;
    this.disk = new ProfileDisk(request.directory);
    this.store = new SettingStore(request);
  }

  /** Reads everything: the command line, the directory, its profiles. @throws CvmError */
  read(): void {
    const { directory } = this.#request;
    const layout = layoutOf(directory, this.disk) ?? this.#profilesOnly();
    this.#readCommandLine();
    this.#readDirectory(directory, { layout, isRoot: true, withProfiles: true });
    this.#checkProfiles();
  }

  #profilesOnly(): Layout {
    if (this.disk.kind(join(this.#request.directory, CVM_LAYOUT.profiles)) === "directory") return CVM_LAYOUT;
    throw profileError("profile-missing", {
      cannot: "read configuration",
      at: { file: this.#request.directory },
      expected: "cvm.conf, profiles/ or mkosi.conf in the directory",
      got: "none of them",
      hint: "name the directory with -C DIR",
    });
  }

  #readCommandLine(): void {
    const assignments = [
      ...this.#request.profiles.map((value) => ({ name: "Config.Profiles", value })),
      ...this.#request.settings,
    ];
    const place = {
      path: join(this.#request.invocationDirectory, "command line"),
      base: this.#request.invocationDirectory,
    };
    const includes: Assignment[] = [];
    for (const { name, value } of assignments) {
      const { section, name: setting } = completeSettingName(name, COMMAND_LINE);
      this.#layer = "command line";
      const lines = value.split("\n").map((text) => ({ text: text.trim(), line: 0, column: 0 }));
      const assignment = this.#assign(section, { name: setting, position: COMMAND_LINE, lines }, place);
      if (assignment !== undefined) includes.push(assignment);
    }
    this.#layer = "files";
    for (const assignment of includes) this.#readIncludes(assignment, place);
  }

  #readDirectory(
    directory: string,
    { layout, isRoot = false, withProfiles = false }: { layout: Layout; isRoot?: boolean; withProfiles?: boolean },
  ): void {
    const place = { path: join(directory, `${layout.prefix}conf`), base: directory };
    const sections = this.disk.kind(place.path) === "absent" ? [] : this.#parse(place);
    if (!this.#applies(sections, place)) return;
    if (isRoot) this.#readLocal(directory, layout);
    this.#readBesides(directory, layout);
    this.#apply(sections, place);
    const dropIns = join(directory, `${layout.prefix}conf.d`);
    for (const name of this.disk.list(dropIns)) this.#readPart(join(dropIns, name), { name, base: directory, layout });
    if (withProfiles) this.#readProfiles(directory, layout);
  }

  /** Reads `cvm.local/` and `cvm.local.conf`, which are stronger than all other files; the directory is the stronger. */
  #readLocal(directory: string, layout: Layout): void {
    const local = join(directory, `${layout.prefix}local`);
    if (this.disk.kind(local) === "directory") {
      this.#layer = "local directory";
      this.#readDirectory(local, { layout: layoutOf(local, this.disk) ?? layout });
    }
    const path = `${local}.conf`;
    if (this.disk.kind(path) === "file") {
      this.#layer = "local file";
      this.#readFile({ path, base: directory });
    }
    this.#layer = "files";
  }

  /** Reads one drop-in: a directory is a whole configuration of its own, of files only `*.conf` count. */
  #readPart(path: string, { name, base, layout }: { name: string; base: string; layout: Layout }): void {
    if (this.disk.kind(path) === "directory")
      this.#readDirectory(path, { layout: layoutOf(path, this.disk) ?? layout });
    else if (name.endsWith(".conf")) this.#readFile({ path, base });
  }

  #readProfiles(directory: string, layout: Layout): void {
    const parent = join(directory, layout.profiles);
    for (const entry of this.disk.list(parent)) {
      const isDirectory = this.disk.kind(join(parent, entry)) === "directory";
      if (isDirectory || entry.endsWith(".conf")) this.#availableProfiles.add(isDirectory ? entry : entry.slice(0, -5));
    }
    for (const name of this.store.value(PROFILES) as string[]) {
      for (const [entry, file] of [name, `${name}.conf`].entries()) {
        const path = join(parent, file);
        const kind = this.disk.kind(path);
        if (kind === "absent" || (entry === 1) !== (kind === "file")) continue;
        this.#foundProfiles.add(name);
        this.#readPart(path, { name: file, base: directory, layout });
      }
    }
  }

  /** A profile that no directory has is a mistake; so is one that is named where it is too late to read it. */
  #checkProfiles(): void {
    for (const { item, position } of this.store.effective(PROFILES)) {
      const name = String(item.value);
      if (this.#foundProfiles.has(name)) continue;
      const available = [...this.#availableProfiles].sort();
      const isLate = this.#availableProfiles.has(name);
      throw profileError("profile-unknown-profile", {
        cannot: `read profile ${quoteText(name)}`,
        at: position,
        expected: isLate
          ? "it before profiles are read"
          : available.length
            ? `one of ${available.join(", ")}`
            : "no profile",
        got: isLate ? "Profiles= in a profile" : "a profile that is not there",
        hint: isLate ? "name it with --profile or in cvm.conf" : didYouMean(name, available),
        setting: "Config.Profiles",
      });
    }
  }

  #readFile(place: Place): void {
    const sections = this.#parse(place);
    if (this.#applies(sections, place)) this.#apply(sections, place);
  }

  #parse({ path }: Place): IniSection[] {
    const sections = parseIni(this.disk.readText(path), this.disk.show(path));
    for (const section of sections) {
      if (isCondition(section)) {
        checkConditionNames(section);
        continue;
      }
      checkSection(section.name, section.position);
      for (const { name, position } of section.settings) checkSettingName({ section: section.name, name }, position);
    }
    return sections;
  }

  #applies(sections: readonly IniSection[], place: Place): boolean {
    const context: ConditionContext = {
      valuesOf: (row) => this.store.visible(row),
      expand: (text, term) =>
        expandText(text, {
          at: { ...term.position, column: term.lines[0]!.column },
          place: this.#assignmentPlace(place),
        }),
      hostArchitecture: this.#request.hostArchitecture,
      pathExists: (written, term) => this.#pathExists(resolve(place.base, written), term.position),
      refuse: (term, useInstead) => {
        this.unsupported.push({ position: term.position, name: `Match.${term.name}`, useInstead });
      },
    };
    if (!isMatched(sections, context)) return false;
    checkAssertions(sections, context);
    return true;
  }

  #pathExists(path: string, at: SourcePosition): boolean {
    if (this.disk.contains(path)) return this.disk.kind(path) !== "absent";
    throw profileError("profile-bad-value", {
      cannot: 'read condition "PathExists"',
      at,
      expected: `a path below ${this.#request.directory}`,
      got: quoteText(path),
      hint: "an image must not depend on what else the building machine has",
      setting: "PathExists",
    });
  }

  #apply(sections: readonly IniSection[], place: Place): void {
    for (const section of sections) {
      if (isCondition(section)) continue;
      for (const setting of section.settings) {
        const include = this.#assign(section.name, setting, place);
        if (include !== undefined) this.#readIncludes(include, place);
      }
    }
  }

  /** Keeps what an assignment says; gives it back if it is an `Include=`, which is read by the caller. */
  #assign(section: string, setting: IniSection["settings"][number], place: Place): Assignment | undefined {
    const fullName = `${section}.${setting.name}`;
    const row = findSetting(fullName);
    if (row === undefined) {
      const { useInstead } = findMkosiSetting(fullName)!;
      this.unsupported.push({ position: setting.position, name: fullName, useInstead });
      return undefined;
    }
    const assignment = readAssignment(row, setting.lines, this.#assignmentPlace(place));
    this.#keep(row, assignment, setting.position);
    return row === INCLUDE ? assignment : undefined;
  }

  #keep(row: SettingRow, assignment: Assignment, at: SourcePosition): void {
    if (assignment.isReset) this.store.add(row, { turn: this.#turn(), position: at });
    for (const { value, position } of assignment.items) {
      this.store.add(row, { turn: this.#turn(), position, item: { value } });
    }
    this.unsupported.push(...assignment.unsupported);
  }

  #readIncludes(assignment: Assignment, place: Place): void {
    for (const { value, position } of assignment.items) {
      const path = String(value);
      const kind = this.disk.contains(path) ? this.disk.kind(path) : "absent";
      if (kind === "absent") {
        throw profileError("profile-bad-value", {
          cannot: 'read setting "Include.Include"',
          at: position,
          expected: `a file or directory below ${this.#request.directory}`,
          got: quoteText(path),
          setting: "Include.Include",
        });
      }
      const identity = realpathSync(path);
      if (this.#included.has(identity)) continue;
      this.#included.add(identity);
      if (kind === "file") this.#readFile({ path, base: place.base });
      else this.#readDirectory(path, { layout: layoutOf(path, this.disk) ?? CVM_LAYOUT, withProfiles: true });
    }
  }

  /** Takes in what sets or declares something by standing beside the configuration. */
  #readBesides(directory: string, layout: Layout): void {
    for (const { row, file, value } of valuesBeside(directory, layout, this.disk)) {
      const place = {
        ...this.#assignmentPlace({ path: join(directory, file), base: directory }),
        file,
        isVerbatim: true,
      };
      const at = "text" in value ? { file, line: 1, column: 1 } : { file };
      let assignment: Assignment = { isReset: false, items: [], unsupported: [] };
      if ("text" in value) assignment = readAssignment(row, [{ text: value.text, line: 1, column: 1 }], place);
      else readItem(row, value.path, { place, at, assignment });
      this.#keep(row, assignment, at);
    }
    this.unsupported.push(...refusedBeside(directory, layout, this.disk));
    if (!layout.hasDeclarations) return;
    for (const found of declarationsBeside(directory, this.disk))
      this.declarations.push({ ...found, turn: this.#turn() });
  }

  /** Gives the next place in the order of reading. */
  #turn(): Turn {
    return { layer: this.#layer, sequence: this.#sequence++ };
  }

  #assignmentPlace({ path, base }: Place): AssignmentPlace {
    const isVerbatim = this.#layer === "command line";
    const { directory, environment } = this.#request;
    const file = isVerbatim ? COMMAND_LINE.file : this.disk.show(path);
    const { store, disk } = this;
    return { file, base, fileDirectory: dirname(path), directory, store, disk, environment, isVerbatim };
  }
}

function isCondition(section: IniSection): boolean {
  return (CONDITION_SECTIONS as readonly string[]).includes(section.name);
}
