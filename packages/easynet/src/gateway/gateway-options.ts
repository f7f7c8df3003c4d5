import type { Clock, Logger, Metrics } from "../kernel/index.ts";
import type { EasynetNode } from "../node/index.ts";

export interface GatewayOptions {
  readonly node: EasynetNode;
  /** Address to listen on. Anything but loopback needs a token. @default "127.0.0.1" */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
  /** What callers must show; at least 16 characters. */
  readonly token: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  /** Prometheus text for GET /metrics; without it there is no such route. */
  readonly metricsText?: () => Promise<string>;
  /** Somebody asked over the API that the node stops; called once, after the answer has left. */
  readonly onStopRequested: () => void;
}

export interface Gateway {
  /** `http://127.0.0.1:7440`, with the port that was really taken. */
  readonly url: string;
  /** Answers what runs, then closes every connection; at most {@link CLOSE_TIMEOUT_MS}. */
  close(): Promise<void>;
}
