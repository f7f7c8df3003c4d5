import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

/** Size at which a log file becomes `FILE.1` (the one before is given up) and a new one begins, bytes. */
export const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** Where lines go; pino's own kind of destination. */
export interface LogDestination {
  write(line: string): void;
}

/**
 * Writes each line before the call returns, so that the last lines before an exit or a crash are there. A line that
 * cannot be written (full disk, closed pipe) is dropped and counted, never thrown: a log must not stop a node. The
 * next line that can be written is preceded by one that says how many are missing.
 */
export function openDescriptor(descriptor: number): LogDestination {
  let lostCount = 0;
  return {
    write(line) {
      try {
        if (lostCount > 0) writeSync(descriptor, lostLine(lostCount));
        lostCount = 0;
        writeSync(descriptor, line);
      } catch {
        // Nowhere is left to report it but the next line that succeeds.
        lostCount += 1;
      }
    },
  };
}

/** A log file readable by its owner only. @param bytesMax size at which it is renamed @throws when it cannot be opened */
export function openLogFile(path: string, bytesMax: number = LOG_BYTES_MAX): LogDestination {
  let descriptor = openSync(path, "a", 0o600);
  let bytes = fstatSync(descriptor).size;
  let destination = openDescriptor(descriptor);
  const rotate = (): void => {
    try {
      renameSync(path, `${path}.1`);
      const next = openSync(path, "a", 0o600);
      closeSync(descriptor);
      descriptor = next;
      destination = openDescriptor(next);
    } catch {
      // The folder is gone or cannot be written: go on in the file that is open.
    }
    bytes = 0;
  };
  return {
    write(line) {
      if (bytes > 0 && bytes + line.length > bytesMax) rotate();
      bytes += Buffer.byteLength(line);
      destination.write(line);
    },
  };
}

function lostLine(count: number): string {
  return `${JSON.stringify({ level: "warn", msg: "log lines were lost", count })}\n`;
}
