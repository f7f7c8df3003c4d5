/** Not among the dependencies: its native code is for those who want it. */
const PACKAGE: string = "@chainsafe/libp2p-quic";

/** Why QUIC cannot be tried here; undefined when it can. */
export const quicMissing: string | undefined = await import(PACKAGE).then(
  () => undefined,
  () => `${PACKAGE} is not installed`,
);
