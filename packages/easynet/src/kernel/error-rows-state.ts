import { terminal, transient } from "./error-row.ts";

/** Failures of shared state: spaces and documents. */
export const STATE_ERRORS = {
  SPACE_UNKNOWN: terminal(
    "NOT_FOUND",
    "No space is called {space}. Make it with easynet state declare, or wait until its declaration has arrived.",
    "没有名为 {space} 的空间。请用 easynet state declare 创建，或等待其声明到达。",
  ),
  NOT_A_REPLICA: terminal(
    "FAILED_PRECONDITION",
    "This node does not keep the space {space}. Ask one of its replicas: {replicas}.",
    "本节点不保存空间 {space}。请在其副本之一上操作：{replicas}。",
  ),
  STATE_KEY_UNKNOWN: terminal(
    "NOT_FOUND",
    "{key} has no value in the space {space}, as far as this node knows. Ask the others with --consistency bounded, or write it.",
    "据本节点所知，空间 {space} 中的 {key} 没有值。请用 --consistency bounded 询问其他副本，或写入该键。",
  ),
  SPACE_FULL: terminal(
    "RESOURCE_EXHAUSTED",
    "The space {space} is full: {limit} are allowed. Delete something, or declare it with a larger limit.",
    "空间 {space} 已满：最多允许 {limit}。请删除一些内容，或以更大的上限重新声明。",
  ),
  STATE_CONFLICT: terminal(
    "ABORTED",
    "{key} has {alternatives} values that were written without knowing of each other. Read them, then write the one that counts with --resolve.",
    "{key} 有 {alternatives} 个互不知情写入的值。请先读取，再用 --resolve 写入应保留的值。",
  ),
  STATE_TOO_STALE: transient(
    "UNAVAILABLE",
    "What is known here of the space {space} may be too old: {missing} did not answer in time. Try again, or read with consistency local.",
    "本节点对空间 {space} 的了解可能过旧：{missing} 未及时应答。请重试，或以 local 一致性读取。",
  ),
  CONSISTENCY_UNAVAILABLE: terminal(
    "FAILED_PRECONDITION",
    "Nothing on this node decides with a majority, so it has no linearizable reads and writes. Use local, session or bounded.",
    "本节点没有多数派裁决服务，无法进行 linearizable 读写。请使用 local、session 或 bounded。",
  ),
  DOCUMENT_UNKNOWN: terminal(
    "NOT_FOUND",
    "No document is called {document} on this node. Open it, or wait until it has arrived.",
    "本节点上没有名为 {document} 的文档。请打开它，或等待其到达。",
  ),
  DOCUMENT_INVALID: terminal(
    "INVALID_ARGUMENT",
    "These bytes are no document or change of one: {reason}. Nothing was taken in.",
    "这些字节不是文档或其变更：{reason}。未写入任何内容。",
  ),
  DOCUMENT_TOO_LARGE: terminal(
    "RESOURCE_EXHAUSTED",
    "The document {document} exceeds {bytesMax} bytes. Compact it, or split it.",
    "文档 {document} 超过 {bytesMax} 字节。请压缩或拆分。",
  ),
};
