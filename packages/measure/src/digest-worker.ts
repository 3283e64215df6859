import { type HashAlgorithm, openFileSource } from "@cvm-build/bytes";
import { serveTasks } from "@cvm-build/fs-writer";
import { type DigestStream, hashStreams, type StreamDigests } from "./digest-stream.ts";

/** Streams of a file to be hashed under some algorithms. */
export interface DigestTask {
  path: string;
  streams: readonly DigestStream[];
  algorithms: readonly HashAlgorithm[];
}

serveTasks(({ path, streams, algorithms }: DigestTask): StreamDigests[][] => {
  using image = openFileSource(path);
  return hashStreams(image, streams, algorithms);
});
