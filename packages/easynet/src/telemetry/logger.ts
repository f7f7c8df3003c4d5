import { pino, type Logger as PinoLogger } from "pino";
import { EasynetError, type LogFields, type Logger } from "../kernel/index.ts";
import { type LogDestination, openLogFile } from "./log-file.ts";

/** Lines below the level are not written. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LoggerOptions {
  /** @default "info" */
  readonly level?: LogLevel;
  /** The path of a file that is appended to (mode 0600, renamed at 16 MiB), or whatever takes lines, as process.stderr. */
  readonly destination: string | LogDestination;
}

/** Values under these names never reach a line, at the top level of the fields and one below; each name costs time. */
const SECRET_NAMES = ["token", "authorization", "key", "seed"];

/**
 * JSON lines through pino, behind the kernel's Logger. A line is written when the call returns.
 * @throws {EasynetError} CONFIG_INVALID when the file cannot be opened
 */
export function createLogger(options: LoggerOptions): Logger {
  return adapt(
    pino(
      {
        level: options.level ?? "info",
        base: null,
        redact: { paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`]), censor: "[redacted]" },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: pino.stdSerializers.err, cause: pino.stdSerializers.err },
      },
      openDestination(options.destination),
    ),
  );
}

function adapt(logger: PinoLogger): Logger {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields: LogFields) => adapt(logger.child(fields)),
  };
}

function openDestination(destination: LoggerOptions["destination"]): LogDestination {
  if (typeof destination !== "string") return destination;
  try {
    return openLogFile(destination);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EasynetError("CONFIG_INVALID", { key: "log file", reason }, { cause: error });
  }
}
