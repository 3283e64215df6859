import type { ContentSettings, Profile } from "@cvm-build/profile";

/** A profile with nothing in it, for tests; `content` and the rest as given. */
export function profileFixture(content: Partial<ContentSettings> = {}, rest: Partial<Profile> = {}): Profile {
  return {
    names: ["test"],
    distribution: { distribution: "debian", release: "trixie", architecture: "x86-64", repositories: ["main"] },
    output: {
      format: "uki",
      imageId: "test",
      imageVersion: "1",
      outputDirectory: "/nonexistent",
      compressOutput: "zstd",
      compressLevel: 3,
      seed: "0e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11",
      notices: [],
    },
    content: {
      packages: [],
      packageDirectories: [],
      withEssential: false,
      withRecommends: false,
      withDocs: false,
      removePackages: [],
      extraTrees: [],
      removeFiles: [],
      kernelModules: [],
      kernelCommandLine: [],
      autologin: false,
      enableUnits: [],
      maskUnits: [],
      defaultTarget: "multi-user.target",
      sourceDateEpochSec: 1_757_635_200,
      environment: {},
      ...content,
    },
    uki: { stubPackage: "systemd-boot-efi", sections: [], companions: [] },
    validation: { secureBoot: false, signExpectedPcr: false, signExpectedPcrKeys: [] },
    measure: { banks: ["sha256"], platforms: [] },
    storage: {
      mountPoint: "/var/lib/data",
      key: "tpm2",
      keyTimeoutSec: 300,
      integrity: false,
      missingDisk: "fail",
      diskTimeoutSec: 10,
    },
    ukiProfiles: [],
    services: [],
    artifacts: [],
    ...rest,
  };
}
