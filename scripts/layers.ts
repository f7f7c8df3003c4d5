/**
 * The layers of packages/easynet/src, lowest first (docs/architecture.md). A folder imports only from itself and from
 * lower rows, another folder only through its index.ts; folders of one row do not import one another.
 * oxlint.config.ts generates the lint rules from this list, and test/architecture.test.ts derives the same from it.
 */
export const LAYERS: readonly (readonly string[])[] = [
  ["kernel"],
  ["identity", "model"],
  ["wire", "storage", "telemetry"],
  ["mesh"],
  ["messaging"],
  ["state"],
  ["agents"],
  ["routing"],
  ["node"],
  ["gateway"],
  ["sdk"],
  ["cli"],
];

/** Deterministic folders: time, chance and I/O reach them only as ports (synchronous node:crypto excepted). */
export const PURE_FOLDERS: readonly string[] = ["identity", "model", "wire"];

/** Files that are pure cores inside folders that also do I/O. */
export const PURE_FILES: readonly string[] = ["core.ts", "*-core.ts"];
