/** A setting that mkosi has and cvm-build does not. */
export interface MkosiSetting {
  section: string;
  name: string;
  /** What to do instead, one sentence. */
  useInstead: string;
}

interface MkosiGroup {
  section: string;
  names: string;
  useInstead: string;
}

const NO_SCRIPTS = "no script runs during a build: put files into ExtraTrees=, programs into artifacts/*.yaml";
const NO_TOOLS_TREE = "leave it out: a build uses no tools of the host";
const NO_BOOT_SETTING = "leave it out: `cvm-build boot` and `prove` choose the machine from the platform";
const NO_REPART = "leave it out: Format= and [Disk] say which partitions there are";
const NO_INITRD = "leave it out: the image is its own initrd, or has one that InitrdPackages= adds to";
const NO_CACHE_SETTING = "leave it out: the store keeps what was fetched and unpacked, see `cvm-build cache`";
const NO_PROXY = "set https_proxy in the environment of the build";
const KERNEL_MODULES = "use KernelModules= with ordered globs, - to exclude";
const INITRD_MODULES = "use KernelInitrdModules= with ordered globs, - to exclude";

/** mkosi 27's settings outside the table of settings, by what to do instead. */
const GROUPS: readonly MkosiGroup[] = [
  { section: "Config", names: "Dependencies", useInstead: "build each profile on its own: there are no sub-images" },
  {
    section: "Config",
    names: "ConfigureScripts",
    useInstead: "use [Match], Include= and --set: no code runs while files are read",
  },
  { section: "Config", names: "Profile", useInstead: "use Profiles=" },
  {
    section: "Distribution",
    names: "LocalMirror",
    useInstead: "use Mirror=, or PackageDirectories= for package files",
  },
  { section: "Distribution", names: "RepositoryKeyFetch", useInstead: "leave it out: keys ship with cvm-build" },
  { section: "Output", names: "ManifestFormat", useInstead: "leave it out: manifest.json is always written" },
  { section: "Output", names: "Output OutputExtension", useInstead: "use ImageId=: files are named after it" },
  { section: "Output", names: "OutputMode", useInstead: "leave it out: outputs get the caller's umask" },
  { section: "Output", names: "OciLabels OciAnnotations", useInstead: "leave it out: no OCI image is written" },
  {
    section: "Output",
    names: "SplitArtifacts",
    useInstead: "leave it out: kernel, initrd and command line are always written beside the UKI",
  },
  {
    section: "Output",
    names: "RepartDirectories OutputSize SectorSize ElTorito ElToritoSystem ElToritoVolume ElToritoPublisher",
    useInstead: NO_REPART,
  },
  { section: "Output", names: "Overlay", useInstead: "use Base= of [Extension], with Format=sysext or confext" },
  { section: "Output", names: "CleanScripts", useInstead: NO_SCRIPTS },
  {
    section: "Content",
    names: "BuildPackages VolatilePackages VolatilePackageDirectories",
    useInstead: "use Packages=, or artifacts/*.yaml for what was built elsewhere",
  },
  { section: "Content", names: "BaseTrees", useInstead: "use ExtraTrees=, or Base= of [Extension]" },
  { section: "Content", names: "SkeletonTrees", useInstead: "use ExtraTrees=" },
  {
    section: "Content",
    names:
      "SyncScripts PrepareScripts BuildScripts PostInstallationScripts FinalizeScripts PostOutputScripts PrepareScript BuildScript PostInstallationScript FinalizeScript",
    useInstead: NO_SCRIPTS,
  },
  {
    section: "Content",
    names: "Bootloader BiosBootloader ShimBootloader UnifiedKernelImages UnifiedKernelImageFormat",
    useInstead: "leave it out: the firmware starts the UKI itself",
  },
  {
    section: "Content",
    names: "Initrds InitrdProfiles InitrdVolatilePackages MakeInitrd",
    useInstead: NO_INITRD,
  },
  {
    section: "Content",
    names: "MicrocodeHost",
    useInstead: "leave it out: a virtual machine's microcode is its host's",
  },
  {
    section: "Content",
    names: "Devicetrees Devicetree",
    useInstead: "leave it out: a confidential VM's devices are its host's to describe",
  },
  { section: "Content", names: "KernelModulesInclude KernelModulesExclude", useInstead: KERNEL_MODULES },
  {
    section: "Content",
    names: "KernelModulesIncludeHost KernelModulesInitrdIncludeHost",
    useInstead: "name the modules in KernelModules=: the building host is not looked at",
  },
  {
    section: "Content",
    names: "KernelModulesInitrd KernelModulesInitrdInclude KernelModulesInitrdExclude",
    useInstead: INITRD_MODULES,
  },
  {
    section: "Content",
    names: "FirmwareInclude FirmwareExclude FirmwareFiles",
    useInstead: "use RemoveFiles= on /usr/lib/firmware",
  },
  {
    section: "Content",
    names: "LocaleMessages Keymap",
    useInstead: "put etc/locale.conf or etc/vconsole.conf into ExtraTrees=",
  },
  { section: "Content", names: "SELinuxRelabel", useInstead: "leave it out: an initramfs keeps no labels" },
  { section: "Validation", names: "Passphrase", useInstead: "use Key= of [Storage], which says who keeps the key" },
  {
    section: "Validation",
    names: "Checksum",
    useInstead: "leave it out: manifest.json and measurements.json hold the digests",
  },
  {
    section: "Validation",
    names:
      "SecureBootKeySource SecureBootCertificateSource VerityKeySource VerityCertificateSource SignExpectedPcrKeySource SignExpectedPcrCertificateSource",
    useInstead: "write the source into the key itself, such as SecureBootKey=pkcs11:token=release;object=db",
  },
  {
    section: "Validation",
    names: "SignExpectedPcrCertificate",
    useInstead: "leave it out: the key says what its public half is",
  },
  {
    section: "Validation",
    names: "SecureBootAutoEnroll",
    useInstead: "use `cvm-build keys`, which makes what a machine enrols",
  },
  { section: "Validation", names: "SecureBootSignTool", useInstead: "leave it out: no tool of the host signs" },
  {
    section: "Validation",
    names: "Sign Key OpenPGPTool",
    useInstead: "use `cvm-build release`, which signs what is published",
  },
  {
    section: "Build",
    names:
      "ToolsTree ToolsTreeDistribution ToolsTreeRelease ToolsTreeProfiles ToolsTreeMirror ToolsTreeRepositories ToolsTreeSandboxTrees ToolsTreePackageManagerTrees ToolsTreePackages ToolsTreePackageDirectories ToolsTreeCertificates ExtraSearchPaths UseSubvolumes RepartOffline ForeignUIDRange",
    useInstead: NO_TOOLS_TREE,
  },
  {
    section: "Build",
    names: "Incremental CacheOnly CacheDirectory CacheKey PackageCacheDirectory WorkspaceDirectory History",
    useInstead: NO_CACHE_SETTING,
  },
  {
    section: "Build",
    names: "SandboxTrees PackageManagerTrees",
    useInstead: "use Mirror=, Repositories= and Snapshot=: no package manager runs",
  },
  {
    section: "Build",
    names: "BuildDirectory BuildKey BuildSources BuildSourcesEphemeral WithTests WithNetwork MakeScriptsExecutable",
    useInstead: NO_SCRIPTS,
  },
  { section: "Build", names: "EnvironmentFiles", useInstead: "use Environment=" },
  {
    section: "Build",
    names: "ProxyUrl ProxyExclude ProxyPeerCertificate ProxyClientCertificate ProxyClientKey",
    useInstead: NO_PROXY,
  },
  {
    section: "Runtime",
    names:
      "NSpawnSettings Ephemeral RuntimeTrees RuntimeSize RuntimeNetwork RuntimeBuildSources BindUser SshKey SshCertificate VirtualMachineMonitor Machine ForwardJournal SysupdateDirectory Console CPUs RAM MaxMem KVM CXL VSock VSockCID TPM Removable DiskType Firmware FirmwareVariables Linux Drives QemuArgs Register StorageTargetMode QemuSmp QemuMem QemuKvm QemuVsock QemuVsockConnectionId QemuSwtpm QemuRemovable QemuFirmware QemuFirmwareVariables QemuKernel QemuDrives",
    useInstead: NO_BOOT_SETTING,
  },
  {
    section: "Runtime",
    names: "Credentials",
    useInstead: "put credentials into ExtraTrees= at /usr/lib/credstore, or leave them to the deployment",
  },
  {
    section: "Runtime",
    names: "KernelCommandLineExtra",
    useInstead: "use KernelCommandLine=: an option that is added at boot is not measured with the image",
  },
  {
    section: "UKIProfile",
    names: "Profile Cmdline SignExpectedPcr",
    useInstead: "put it into a file of its own, and name that in UnifiedKernelImageProfiles=",
  },
];

/** Every setting of mkosi 27 that is recognised and refused. */
export const MKOSI_SETTINGS: readonly MkosiSetting[] = GROUPS.flatMap(({ section, names, useInstead }) =>
  names.split(" ").map((name) => ({ section, name, useInstead })),
);

/** Files and directories that set such a setting by being there, after `mkosi.` or `cvm.`; `/` ends a directory of any files. */
export const MKOSI_BESIDES: readonly { suffix: string; setting: string }[] = [
  ...["configure", "sync", "prepare", "build", "postinst", "finalize", "postoutput", "clean"].flatMap((stage) => [
    { suffix: stage, setting: scriptsOf(stage) },
    { suffix: `${stage}.chroot`, setting: scriptsOf(stage) },
    { suffix: `${stage}.d`, setting: scriptsOf(stage) },
  ]),
  { suffix: "skeleton", setting: "Content.SkeletonTrees" },
  { suffix: "skeleton.tar", setting: "Content.SkeletonTrees" },
  { suffix: "repart", setting: "Output.RepartDirectories" },
  { suffix: "sandbox", setting: "Build.SandboxTrees" },
  { suffix: "sandbox.tar", setting: "Build.SandboxTrees" },
  { suffix: "pkgmngr", setting: "Build.SandboxTrees" },
  { suffix: "pkgmngr.tar", setting: "Build.SandboxTrees" },
  { suffix: "env", setting: "Build.EnvironmentFiles" },
  { suffix: "credentials", setting: "Runtime.Credentials" },
  { suffix: "passphrase", setting: "Validation.Passphrase" },
  { suffix: "images", setting: "Config.Dependencies" },
];

const BY_FULL_NAME = new Map(MKOSI_SETTINGS.map((setting) => [`${setting.section}.${setting.name}`, setting]));

/** Finds a refused setting by `Section.Name`; `[Host]` is mkosi's old name of `[Runtime]`. */
export function findMkosiSetting(fullName: string): MkosiSetting | undefined {
  return BY_FULL_NAME.get(fullName.replace(/^Host\./, "Runtime."));
}

function scriptsOf(stage: string): string {
  if (stage === "configure") return "Config.ConfigureScripts";
  if (stage === "clean") return "Output.CleanScripts";
  const names: Record<string, string> = { postinst: "PostInstallation", postoutput: "PostOutput" };
  return `Content.${names[stage] ?? stage[0]!.toUpperCase() + stage.slice(1)}Scripts`;
}
