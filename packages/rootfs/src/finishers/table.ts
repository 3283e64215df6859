import { caCertificatesFinisher } from "../ca-certificates/ca-certificates.ts";
import { mergeExtensionsCheckFinisher, mergeExtensionsFinisher } from "../extension/merge-extensions.ts";
import type { PackageFinisher } from "../finisher.ts";
import { kernelModulesFinisher } from "../kernel/kernel-modules.ts";
import { linkerCacheFinisher } from "../linker-cache/linker-cache.ts";
import { servicesFinisher } from "../services/services.ts";
import { storageCheckFinisher } from "../storage/storage-check.ts";
import { storageFinisher } from "../storage/storage.ts";
import {
  basePasswdFinisher,
  maintainerAccountsFinisher,
  rootAccountFinisher,
  serviceAccountsFinisher,
  sysusersFinisher,
} from "./accounts.ts";
import { alternativesFinisher } from "./alternatives.ts";
import { autologinFinisher } from "./autologin.ts";
import { baseFilesFinisher } from "./base-files.ts";
import { configurationCopiesFinisher } from "./configuration-copies.ts";
import { extraTreesFinisher } from "./extra-trees.ts";
import { nameServiceSwitchFinisher } from "./name-service-switch.ts";
import { pamFinisher } from "./pam.ts";
import { plainFilesFinisher } from "./plain-files.ts";
import { removeFilesFinisher } from "./remove-files.ts";
import { shellsFinisher } from "./shells.ts";
import { statOverridesFinisher } from "./stat-overrides.ts";
import {
  hostnameFinisher,
  initFinisher,
  localeFinisher,
  machineIdFinisher,
  osReleaseFinisher,
  timezoneFinisher,
  updateMarksFinisher,
} from "./system-identity.ts";
import { tmpfilesFinisher } from "./tmpfiles.ts";
import { unitEnablementFinisher } from "./unit-enablement.ts";

/**
 * Every finisher, in the order in which they act on the merged tree of packages and artefacts:
 *
 * 1. Extra trees, then the units of services, whose programs extra trees may hold, and those of the disk for data. Extra trees come this early because
 *    they are the administrator's word: sysusers.d, presets, tmpfiles.d and certificates in them count, and no finisher
 *    below writes over what they hold unless a setting of the profile says so.
 * 2. Accounts: Debian's own, declared ones, those of maintainer scripts, those of services, root. They come before
 *    whatever refers to an owner by name.
 * 3. What maintainer scripts do with files, then with links and configuration.
 * 4. What the image says of itself.
 * 5. Which units start, once every unit is there.
 * 6. RemoveFiles=, and after it only indexes of what is left, modules and libraries, and whether the disk for data and
 *    merging extensions have all they need.
 */
export const FINISHERS: readonly PackageFinisher[] = [
  extraTreesFinisher,
  servicesFinisher,
  storageFinisher,
  basePasswdFinisher,
  sysusersFinisher,
  maintainerAccountsFinisher,
  serviceAccountsFinisher,
  rootAccountFinisher,
  baseFilesFinisher,
  plainFilesFinisher,
  alternativesFinisher,
  shellsFinisher,
  nameServiceSwitchFinisher,
  pamFinisher,
  configurationCopiesFinisher,
  statOverridesFinisher,
  caCertificatesFinisher,
  hostnameFinisher,
  timezoneFinisher,
  localeFinisher,
  machineIdFinisher,
  osReleaseFinisher,
  updateMarksFinisher,
  tmpfilesFinisher,
  autologinFinisher,
  initFinisher,
  mergeExtensionsFinisher,
  unitEnablementFinisher,
  removeFilesFinisher,
  kernelModulesFinisher,
  linkerCacheFinisher,
  storageCheckFinisher,
  mergeExtensionsCheckFinisher,
];
