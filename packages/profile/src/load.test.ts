import { describe, expect, test } from "vitest";
import { load, loadError } from "./tree.fixture.ts";

describe("values", () => {
  test("an empty profile has every default", () => {
    const { profile } = load({ "cvm.conf": "" });
    expect(profile).toEqual({
      names: [],
      distribution: { distribution: "debian", release: "trixie", architecture: "x86-64", repositories: ["main"] },
      output: {
        format: "uki",
        imageId: "image",
        imageVersion: "0",
        outputDirectory: "/work-dir/build",
        compressOutput: "zstd",
        compressLevel: 3,
        seed: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        diskFormats: ["raw"],
        notices: [],
      },
      content: {
        packages: [],
        packageDirectories: [],
        withEssential: true,
        withRecommends: false,
        withDocs: true,
        removePackages: [],
        extraTrees: [],
        removeFiles: [],
        kernelModules: [],
        initrdPackages: [],
        kernelInitrdModules: [],
        mergeExtensions: "no",
        kernelCommandLine: [],
        autologin: false,
        enableUnits: [],
        maskUnits: [],
        defaultTarget: "multi-user.target",
        sourceDateEpochSec: 0,
        environment: {},
      },
      uki: { stubPackage: "systemd-boot-efi", sections: [], companions: [] },
      validation: { secureBoot: false, signExpectedPcr: false, signExpectedPcrKeys: [], verity: "auto" },
      measure: { banks: ["sha1", "sha256", "sha384", "sha512"], platforms: [] },
      storage: {
        mountPoint: "/var/lib/data",
        key: "tpm2",
        keyTimeoutSec: 300,
        integrity: false,
        missingDisk: "fail",
        diskTimeoutSec: 10,
      },
      disk: { tree: "root", compression: "none", verityAlgorithm: "sha256" },
      initOverlay: { carrier: "initrd", loadIntoRam: false },
      pmem: {},
      extension: { id: "debian", scope: [] },
      ukiProfiles: [],
      services: [],
      artifacts: [],
    });
  });

  test("profiles of a UKI, from files and from a folder", () => {
    const profile = (id: string) => `[UKIProfile]\nProfile=ID=${id}\n`;
    const { ukiProfiles } = load({
      "cvm.conf": "[Content]\nUnifiedKernelImageProfiles=more/c.conf\n",
      "more/c.conf": profile("c"),
      "cvm.uki-profiles/b.conf": profile("b"),
      "cvm.uki-profiles/a.conf": profile("a"),
      "cvm.uki-profiles/README": "no profile",
    }).profile;
    expect(ukiProfiles.map(({ fields }) => fields)).toEqual([["ID=a"], ["ID=b"], ["ID=c"]]);
  });

  const content = (text: string) => load({ "cvm.conf": `[Content]\n${text}\n` }).profile.content;
  test.each([
    ["WithDocs=no", { withDocs: false }],
    ["WithDocs=no\nWithDocs=", { withDocs: true }],
    ["WithDocs=no\nWithDocs=ALWAYS", { withDocs: true }],
    [
      "Packages=b a,c\nPackages=a=1.0-2 ./cvm.conf",
      { packages: ["a", "a=1.0-2", "b", "c", expect.stringMatching(/\/cvm.conf$/)] },
    ],
    ["Packages=b\nPackages=", { packages: [] }],
    ["Packages=b\nPackages=\n  c", { packages: ["b", "c"] }],
    ["KernelCommandLine=a,b c\n  d", { kernelCommandLine: ["a,b", "c", "d"] }],
    ["KernelModules=virtio_* -virtio_gpu, default", { kernelModules: ["virtio_*", "-virtio_gpu", "default"] }],
    ["MachineId=0D2C4A4E-8a0c-4b1f-9a3e-0f4f7d3c1b2a", { machineId: "0d2c4a4e8a0c4b1f9a3e0f4f7d3c1b2a" }],
    ["RootPassword=hashed:$6$abc$def", { rootPasswordHash: "$6$abc$def" }],
    ["RootPassword=hashed:", { rootPasswordHash: "" }],
    ["SourceDateEpoch=1700000000", { sourceDateEpochSec: 1_700_000_000 }],
    ["[Build]\nEnvironment=SOURCE_DATE_EPOCH=12", { sourceDateEpochSec: 12 }],
    ["[Build]\nEnvironment=A=1 'B=x y'\nEnvironment=A=2", { environment: { A: "2", B: "x y" } }],
    ["[Build]\nEnvironment=A=1\nEnvironment=", { environment: {} }],
    [
      "ExtraTrees=cvm.conf:/etc/x",
      { extraTrees: [{ source: expect.stringMatching(/\/cvm.conf$/), target: "/etc/x" }] },
    ],
    [
      "[Services]\nEnable=a.service b.timer\nMask=c.socket\nDefaultTarget=x.target",
      { enableUnits: ["a.service", "b.timer"], maskUnits: ["c.socket"], defaultTarget: "x.target" },
    ],
  ])("%j", (text, expected) => {
    expect(content(text)).toMatchObject(expected);
  });

  test("settings of our own sections", () => {
    const text = [
      "[Output]\nNotice=One # no\n  Two, three.\nCompressOutput=gz\nImageId=x\n",
      "[Measure]\nBanks=sha256\nPlatforms=qemu-tdx aws-snp qemu-tdx\nSecureBootVariables=b.cred\nPhases=enter-initrd:leave-initrd\n",
      "[UKI]\nStubRelease=bookworm\nSections=.ucode:b.cred\nCompanions=a.addon.efi b.cred:global\n",
      "[Validation]\nSecureBoot=yes\nSecureBootKey=pkcs11:token=t;object=db\nSecureBootCertificate=db.pem\n",
      "SignExpectedPcrKey=pcr.pem\nSignExpectedPcrKey=command:/usr/bin/kms sign\n",
      "[Distribution]\nRepositories=contrib\nSnapshot=20260528T084923Z\n",
    ].join("");
    const files = { "cvm.conf": text, "a.addon.efi": "", "b.cred": "" };
    const { output, measure, uki, validation, distribution } = load(files).profile;
    expect(output).toMatchObject({ notices: ["One", "Two, three."], compressOutput: "gzip" });
    expect(measure).toEqual({
      banks: ["sha256"],
      secureBootVariables: expect.stringMatching(/\/b\.cred$/),
      phases: ["enter-initrd", "leave-initrd"],
      platforms: ["qemu-tdx", "aws-snp"],
    });
    expect(uki).toEqual({
      stubPackage: "systemd-boot-efi",
      stubRelease: "bookworm",
      sections: [{ name: ".ucode", path: expect.stringMatching(/\/b\.cred$/) }],
      companions: [
        { path: expect.stringMatching(/\/a\.addon\.efi$/), scope: "uki" },
        { path: expect.stringMatching(/\/b\.cred$/), scope: "global" },
      ],
    });
    expect(validation).toEqual({
      secureBoot: true,
      secureBootKey: "pkcs11:token=t;object=db",
      secureBootCertificate: expect.stringMatching(/^\/.*\/db\.pem$/),
      signExpectedPcr: false,
      signExpectedPcrKeys: [expect.stringMatching(/^\/.*\/pcr\.pem$/), "command:/usr/bin/kms sign"],
      verity: "auto",
    });
    expect(distribution).toMatchObject({ repositories: ["main", "contrib"], snapshot: "20260528T084923Z" });
  });

  test.each([
    ["serial:data", { by: "serial", name: "data" }],
    ["label:chain.data-1", { by: "label", name: "chain.data-1" }],
    ["lun:0", { by: "lun", name: "0" }],
  ])("a disk for data: %s", (written, dataDisk) => {
    const text = `[Storage]\nDataDisk=${written}\nMountPoint=/srv/x\nKey=runtime\nKeyTimeout=1.5h\nIntegrity=yes\nMissingDisk=memory\nDiskTimeout=500ms\n`;
    expect(load({ "cvm.conf": text }).profile.storage).toEqual({
      dataDisk,
      mountPoint: "/srv/x",
      key: "runtime",
      keyTimeoutSec: 5400,
      integrity: true,
      missingDisk: "memory",
      diskTimeoutSec: 0.5,
    });
  });

  test.each([
    ["DataDisk=data", 'expected serial:NAME, label:NAME, lun:NUMBER, partlabel:NAME or partuuid:UUID, got "data"'],
    ["DataDisk=serial:a b", "got"],
    ["DataDisk=label:" + "x".repeat(48), "got"],
    ["DataDisk=lun:01", "got"],
    ["DataDisk=serial:$(reboot)", "got"],
    ["MountPoint=/", "got"],
    ["MountPoint=/var/../usr", "got"],
    ["MountPoint=/a b", "got"],
    ["Key=tpm", "did you mean"],
    ["KeyTimeout=5 minutes", "expected a duration such as 5s or 2min"],
  ])("what storage cannot be: %s", (text, part) => {
    const { code, message, hint } = loadError({ "cvm.conf": `[Storage]\n${text}\n` });
    expect(code).toBe("profile-bad-value");
    expect(`${message} ${hint}`).toContain(part);
  });

  test("the seed follows the image's id alone", () => {
    const seed = (text: string) => load({ "cvm.conf": text }).profile.output.seed;
    expect(seed("[Output]\nImageId=x\n")).toBe(seed("[Output]\nImageId=x\nImageVersion=7\n"));
    expect(seed("[Output]\nImageId=x\n")).not.toBe(seed("[Output]\nImageId=y\n"));
  });

  test("specifiers give values so far", () => {
    const text =
      "[Output]\nImageId=x\nImageVersion=7\n[Content]\nKernelCommandLine=%d %r %a %t %i %v %o %F %I 5%% 5%\n";
    expect(load({ "cvm.conf": text }).profile.content.kernelCommandLine).toEqual([
      "debian",
      "trixie",
      "x86-64",
      "uki",
      "x",
      "7",
      "x_7",
      "ext4",
      "main",
      "5%",
      "5%",
    ]);
    const { profile } = load({ "cvm.conf.d/a.conf": "[Content]\nKernelCommandLine=%C %P %D %O\n" });
    const [fileDirectory, base, directory, output] = profile.content.kernelCommandLine;
    expect([fileDirectory, base, output]).toEqual([`${directory}/cvm.conf.d`, directory, "/work-dir/build"]);
  });

  test("only variables that are listed are taken from the caller", () => {
    const environment = { KEY: "value", DIR: "sub" };
    const text = "[Config]\nPassEnvironment=KEY DIR\n[Build]\nEnvironment=KEY\n[Output]\nOutputDirectory=$DIR/${KEY}\n";
    const { profile } = load({ "cvm.conf": text }, { environment });
    expect(profile.content.environment).toEqual({ KEY: "value" });
    expect(profile.output.outputDirectory).toMatch(/\/sub\/value$/);
    expect(loadError({ "cvm.conf": "[Output]\nOutputDirectory=$KEY\n" }, { environment }).message).toBe(
      'cannot read setting "Output.OutputDirectory" at cvm.conf:2:17: expected a variable that PassEnvironment= lists, got $KEY',
    );
  });
});

describe("order", () => {
  const line = (value: string) => `[Content]\nKernelCommandLine=${value}\nHostname=${value}\n`;

  test("default paths, cvm.conf, drop-ins, profiles, local files, command line", () => {
    const files = {
      "cvm.conf": line("conf"),
      "cvm.conf.d/20.conf": line("twenty"),
      "cvm.conf.d/10.conf": line("ten"),
      "cvm.conf.d/15/cvm.conf": line("directory"),
      "cvm.conf.d/15/cvm.conf.d/z.conf": line("nested"),
      "cvm.conf.d/30.off": line("never"),
      "profiles/a/cvm.conf": line("a"),
      "profiles/b.conf": line("b"),
      "profiles/c/cvm.conf": line("never"),
      "cvm.local.conf": line("localfile"),
      "cvm.local/cvm.conf": line("localdir"),
    };
    const order = ["conf", "ten", "directory", "nested", "twenty", "b", "a", "localfile", "localdir"];
    const request = { profiles: ["b", "a"] };
    const { profile, settings } = load(files, request);
    expect(profile.names).toEqual(["b", "a"]);
    expect(profile.content).toMatchObject({ kernelCommandLine: order, hostname: "localdir" });
    const sources = settings.find(({ name }) => name === "KernelCommandLine")!.sources;
    expect(sources.map(({ file }) => file)).toEqual([
      "cvm.conf",
      "cvm.conf.d/10.conf",
      "cvm.conf.d/15/cvm.conf",
      "cvm.conf.d/15/cvm.conf.d/z.conf",
      "cvm.conf.d/20.conf",
      "profiles/b.conf",
      "profiles/a/cvm.conf",
      "cvm.local.conf",
      "cvm.local/cvm.conf",
    ]);
    const settingsOf = (...list: string[]) => load(files, { ...request, settings: list }).profile.content;
    expect(settingsOf("Hostname=cli", "Content.KernelCommandLine=cli")).toMatchObject({
      hostname: "cli",
      kernelCommandLine: [...order, "cli"],
    });
    expect(settingsOf("KernelCommandLine=", "KernelCommandLine=cli", "Hostname=")).toMatchObject({
      kernelCommandLine: ["cli"],
    });
    expect(settingsOf("Hostname=").hostname).toBeUndefined();
  });

  test("files that stand beside a configuration set what they are named after", () => {
    const { profile } = load(
      {
        "cvm.extra/etc/motd": "",
        "cvm.version": "1.4\n",
        "cvm.machine-id": "0d2c4a4e8a0c4b1f9a3e0f4f7d3c1b2a\n",
        "cvm.conf": "[Output]\nImageId=x%v\n",
        "profiles/a/cvm.extra/etc/issue": "",
        "profiles/a/cvm.conf": "",
      },
      { profiles: ["a"] },
    );
    expect(profile.output).toMatchObject({ imageId: "x1.4", imageVersion: "1.4" });
    expect(profile.content.machineId).toBe("0d2c4a4e8a0c4b1f9a3e0f4f7d3c1b2a");
    expect(profile.content.extraTrees.map(({ source }) => source.replace(/^.*cvm-profile-[^/]*./, ""))).toEqual([
      "cvm.extra",
      "profiles/a/cvm.extra",
    ]);
  });

  test("Include= reads on the spot, each once; a directory is a configuration with profiles", () => {
    const { profile, files } = load(
      {
        "cvm.conf": `[Content]\nKernelCommandLine=one\n[Include]\nInclude=shared/x.conf shared\n  shared/x.conf\n${line("two")}`,
        "shared/x.conf": `${line("x")}[Include]\nInclude=shared/x.conf\n`,
        "shared/cvm.conf": line("shared"),
        "shared/profiles/a.conf": line("shared-a"),
        "profiles/a/cvm.conf": line("a"),
      },
      { profiles: ["a"] },
    );
    expect(profile.content.kernelCommandLine).toEqual(["one", "x", "shared", "shared-a", "two", "a"]);
    expect(files.map(({ path }) => path)).toEqual([
      "cvm.conf",
      "profiles/a/cvm.conf",
      "shared/cvm.conf",
      "shared/profiles/a.conf",
      "shared/x.conf",
    ]);
  });

  test("relative paths start from the configuration's directory", () => {
    const { profile } = load(
      {
        "profiles/a/cvm.conf.d/x.conf": "[Content]\nExtraTrees=tree\n",
        "profiles/a/tree/f": "",
        "cvm.conf.d/y.conf": "[Content]\nExtraTrees=top\n",
        "top/f": "",
      },
      { profiles: ["a"] },
    );
    expect(profile.content.extraTrees.map(({ source }) => source.split("/").slice(-2).join("/"))).toEqual([
      expect.stringMatching(/\/top$/),
      "a/tree",
    ]);
  });

  test("Profiles= in the configuration come before those of the command line", () => {
    const files = {
      "cvm.conf": "[Config]\nProfiles=a\n",
      "profiles/a.conf": line("a"),
      "profiles/b.conf": line("b"),
    };
    const { profile } = load(files, { profiles: ["b"] });
    expect(profile.names).toEqual(["a", "b"]);
    expect(profile.content.kernelCommandLine).toEqual(["a", "b"]);
  });

  test("a tree of mkosi's is read by its own names", () => {
    const files = {
      "mkosi.conf": "[Content]\nKernelCommandLine=conf\n",
      "mkosi.conf.d/x/mkosi.conf": "[Content]\nKernelCommandLine=drop-in\n",
      "mkosi.profiles/a.conf": "[Content]\nKernelCommandLine=a\n",
      "mkosi.local.conf": "[Content]\nKernelCommandLine=local\n",
      "mkosi.extra/f": "",
      "services/not-ours.yaml": "x",
    };
    const { profile } = load(files, { profiles: ["a"] });
    expect(profile.content.kernelCommandLine).toEqual(["conf", "drop-in", "a", "local"]);
    expect(profile.content.extraTrees).toHaveLength(1);
    expect(profile.services).toEqual([]);
  });
});

describe("services and artefacts", () => {
  const files = {
    "profiles/a/services/one.yaml": "command: /bin/one\n",
    "profiles/a/services/two.yaml": "command: /bin/two\nafter: [one]\n",
    "profiles/a/artifacts/x.yaml": "path: x\nfiles: [{to: /x}]\n",
    "profiles/b/services/one.yaml": "command: /bin/other\n",
    "profiles/c/cvm.conf": "[Services]\nRemove=two\n[Artifacts]\nRemove=x\n",
    "profiles/d/services/two.yaml": "command: /bin/again\n",
  };
  const names = (...profiles: string[]) =>
    load(files, { profiles }).profile.services.map(({ name, command }) => `${name} ${command[0]}`);

  test("a later profile replaces, drops and declares again", () => {
    expect(names("a")).toEqual(["one /bin/one", "two /bin/two"]);
    expect(names("a", "b")).toEqual(["one /bin/other", "two /bin/two"]);
    expect(names("a", "c")).toEqual(["one /bin/one"]);
    expect(names("a", "c", "d")).toEqual(["one /bin/one", "two /bin/again"]);
    expect(load(files, { profiles: ["a"] }).profile.artifacts.map(({ name }) => name)).toEqual(["x"]);
    expect(load(files, { profiles: ["a", "c"] }).profile.artifacts).toEqual([]);
  });

  test("what is removed must have been declared", () => {
    expect(loadError(files, { profiles: ["c", "a"] }).message).toBe(
      'cannot remove service "two" at profiles/c/cvm.conf:2:8: expected services declared before, got a name that nothing read so far declares',
    );
    const error = loadError(files, { profiles: ["a"], settings: ["Services.Remove=tow"] });
    expect(error).toMatchObject({ code: "profile-bad-reference", hint: "did you mean two?" });
  });

  test("what a service waits for must be declared, and not wait for it", () => {
    const graph = (...declared: [name: string, after: string][]) =>
      loadError(
        Object.fromEntries([
          ["cvm.conf", ""],
          ...declared.map(([name, after]) => [`services/${name}.yaml`, `command: /x\nafter: [${after}]\n`]),
        ]),
      );
    expect(graph(["reth", "network-online.target, rehT"], ["reht", ""])).toMatchObject({
      message:
        'cannot order service "reth" at services/reth.yaml:2:32: expected a declared service, or a systemd unit with its suffix, got "rehT"',
      hint: "did you mean reht?",
    });
    expect(graph(["a", "b"], ["b", "c.service"], ["c", "a"], ["d", "a"]).message).toBe(
      'cannot order service "c" at services/c.yaml:2:9: expected services that do not wait for each other in a circle, got a after b after c after a',
    );
    expect(graph(["a", "a"]).message).toMatch(/got a after a$/);
  });

  test("only .yaml declares", () => {
    expect(loadError({ "cvm.conf": "", "services/a.yml": "" })).toMatchObject({
      code: "profile-bad-declaration",
      hint: "rename it to a.yaml",
    });
  });
});

test("the same files give the same profile wherever they stand", () => {
  const files = { "cvm.conf": "[Content]\nPackages=a\n", "services/x.yaml": "command: /x\n" };
  expect(load(files)).toEqual(load(files));
});

test("the largest file that is read takes no more than its share of time", () => {
  const words = Array.from({ length: 120_000 }, (_, index) => ` x=${index % 1000}`).join("\n");
  const { profile, settings } = load({ "cvm.conf": `[Content]\nKernelCommandLine=\n${words}\n` });
  expect(profile.content.kernelCommandLine).toHaveLength(120_000);
  const { sources } = settings.find(({ name }) => name === "KernelCommandLine")!;
  expect(sources.at(-1)).toEqual({ file: "cvm.conf", line: 120_002, column: 2 });
});
