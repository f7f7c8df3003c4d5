import { Readable } from "node:stream";
import { EasynetError } from "../kernel/index.ts";
import type { ArtifactReport, ByteSource } from "../messaging/index.ts";
import type { EasynetNode } from "../node/index.ts";
import { answerOf, type LocalApi, requestOverHttp } from "./over-http.ts";

/** Large data by content address: whoever knows the address, and is a member, may get it. */
export interface ArtifactAccess {
  /**
   * Keeps bytes on the node and tells their address. Public: nodes of IPFS get it too, where the setting `ipfs` is on.
   *
   * ```ts
   * const { cid } = await client.artifacts.put(createReadStream("model.bin"));
   * ```
   * @throws {EasynetError} ARTIFACT_TOO_LARGE, ARTIFACTS_FULL, STORAGE_FULL; nothing is kept then
   */
  put(
    content: Uint8Array | ByteSource,
    options?: { readonly pin?: boolean; readonly public?: boolean },
  ): Promise<ArtifactReport>;
  /**
   * The bytes, in parts and in order; fetched from members first when the node does not have them.
   * @throws {EasynetError} ARTIFACT_ID_INVALID, ARTIFACT_NOT_FOUND, ARTIFACT_UNREACHABLE, ARTIFACT_FORGED, …
   */
  get(cid: string, options?: { readonly signal?: AbortSignal }): AsyncGenerator<Uint8Array, void, void>;
  /** Those on the node. */
  list(): Promise<readonly ArtifactReport[]>;
  /** @throws {EasynetError} ARTIFACT_NOT_FOUND, ARTIFACT_BUSY */
  remove(cid: string): Promise<void>;
}

export function artifactsOfNode({ artifacts }: EasynetNode): ArtifactAccess {
  return {
    put: (content, options) => artifacts.put(partsOf(content), options),
    async *get(cid, options = {}) {
      await artifacts.fetch(cid, options);
      yield* artifacts.open(cid);
    },
    list: async () => artifacts.list(),
    remove: (cid) => artifacts.remove(cid),
  };
}

export function artifactsOverHttp(api: LocalApi): ArtifactAccess {
  const pathOf = (cid: string): string => `/api/artifacts/${encodeURIComponent(cid)}`;
  return {
    put: async (content, { pin = false, ...given } = {}) => {
      const body = Readable.toWeb(Readable.from(partsOf(content)));
      const headers = { "content-type": "application/octet-stream" };
      const answer = await requestOverHttp(api, `/api/artifacts?pin=${pin}&public=${given.public === true}`, {
        method: "POST",
        headers,
        body,
      });
      const stored = await answerOf(answer);
      if (isArtifact(stored)) return stored;
      throw new EasynetError("INTERNAL", { reason: "the node sent no artifact" });
    },
    async *get(cid, { signal } = {}) {
      const response = await requestOverHttp(api, pathOf(cid), { ...(signal && { signal }) });
      if (!response.ok || !response.body) await answerOf(response);
      else yield* response.body;
    },
    list: async () => {
      const answer = await answerOf(await requestOverHttp(api, "/api/artifacts"));
      if (isList(answer)) return answer.artifacts;
      throw new EasynetError("INTERNAL", { reason: "the node sent no artifacts" });
    },
    remove: async (cid) => {
      await answerOf(await requestOverHttp(api, pathOf(cid), { method: "DELETE" }));
    },
  };
}

function partsOf(content: Uint8Array | ByteSource): ByteSource {
  return content instanceof Uint8Array ? [content] : content;
}

function isArtifact(value: unknown): value is ArtifactReport {
  return typeof value === "object" && value !== null && "cid" in value && "bytes" in value;
}

function isList(value: unknown): value is { readonly artifacts: readonly ArtifactReport[] } {
  return typeof value === "object" && value !== null && "artifacts" in value && Array.isArray(value.artifacts);
}
