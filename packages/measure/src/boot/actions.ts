/** Texts of EV_EFI_ACTION. @see TCG PC Client Platform Firmware Profile, "EV_EFI_ACTION Event Types" */
export const ACTIONS = {
  calling: "Calling EFI Application from Boot Option",
  returning: "Returning from EFI Application from Boot Option",
  exit: "Exit Boot Services Invocation",
  exitFailed: "Exit Boot Services Returned with Failure",
  exitSucceeded: "Exit Boot Services Returned with Success",
} as const;
