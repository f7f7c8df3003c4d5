import { type ErrorRow, terminal, transient } from "./error-row.ts";

/** Failures of critical state: facts that have no owner. */
export const CRITICAL_ERRORS = {
  NO_MAJORITY: transient(
    "UNAVAILABLE",
    "{group} cannot decide here: {reason}. Nothing was done; what only needs this node still works. See easynet raft status.",
    "{group} 在此无法作出决定：{reason}。未执行任何操作；仅依赖本节点的功能仍可使用。参见 easynet raft status。",
  ),
  OUTCOME_UNKNOWN: terminal(
    "UNAVAILABLE",
    "{subject} may or may not have taken place: {reason}. Read what is there before you repeat it.",
    "{subject} 可能已生效，也可能未生效：{reason}。重复之前请先读取当前内容。",
  ),
  QUOTA_EXCEEDED: terminal(
    "RESOURCE_EXHAUSTED",
    "{group} holds its limit of {bytesMax} bytes. Delete what is not needed; large data belong into artifacts.",
    "{group} 已达到 {bytesMax} 字节的上限。请删除不需要的内容；大型数据请存为数据块。",
  ),
  TOKEN_STALE: terminal(
    "FAILED_PRECONDITION",
    "{resource} was used with token {seen}, and {token} is older: its owner lost the lease. Stop, and acquire it anew.",
    "{resource} 已使用令牌 {seen}，而 {token} 更旧：其持有者已失去租约。请停止操作并重新获取。",
  ),
  MEMBERS_UNCHANGED: terminal(
    "FAILED_PRECONDITION",
    "The members of {group} were not changed: {reason}. See easynet raft members.",
    "{group} 的成员未改变：{reason}。参见 easynet raft members。",
  ),
} satisfies Record<string, ErrorRow>;
