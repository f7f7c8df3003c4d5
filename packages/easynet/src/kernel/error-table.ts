/**
 * The one table of error codes. HTTP status, CLI exit code, wire form and docs/errors.md all derive from it.
 * Status names are the closed gRPC set (google.rpc.Code); codes are open: a new failure gets a new row.
 */
import { type ErrorRow, type ErrorStatus, terminal, transient } from "./error-row.ts";
import { ARTIFACT_ERRORS } from "./error-rows-artifacts.ts";
import { CRITICAL_ERRORS } from "./error-rows-critical.ts";
import { STATE_ERRORS } from "./error-rows-state.ts";
import { IDENTITY_ERRORS } from "./error-rows-identity.ts";

export const ERROR_TABLE = {
  // Input
  INVALID_ARGUMENT: terminal(
    "INVALID_ARGUMENT",
    "{subject} is not valid: {reason}. Correct it and try again.",
    "{subject} 无效：{reason}。请改正后重试。",
  ),
  INPUT_INVALID: terminal(
    "INVALID_ARGUMENT",
    "The arguments of {capability} do not fit its schema: {reason}. Nothing was run; correct the arguments.",
    "{capability} 的参数不符合其模式：{reason}。尚未执行任何操作，请改正参数。",
  ),
  CONFIG_INVALID: terminal(
    "INVALID_ARGUMENT",
    "The setting {key} is not valid: {reason}. See easynet config --explain.",
    "设置项 {key} 无效：{reason}。请参阅 easynet config --explain。",
  ),
  QUERY_INVALID: terminal(
    "INVALID_ARGUMENT",
    "The query is not valid at character {position} (near {near}): {reason}. An example: capability:ocr lang:zh price<0.1.",
    "查询在第 {position} 个字符处无效（{near} 附近）：{reason}。示例：capability:ocr lang:zh price<0.1。",
  ),
  // Wire
  FRAME_MALFORMED: terminal(
    "INVALID_ARGUMENT",
    "A frame could not be read: {reason}. The link that sent it was closed; update the sending node.",
    "无法读取帧：{reason}。发送它的连接已关闭，请更新发送方节点。",
  ),
  FRAME_TOO_LARGE: terminal(
    "RESOURCE_EXHAUSTED",
    "A frame of {bytes} bytes exceeds the limit of {bytesMax}. Send large values as results in chunks.",
    "帧大小 {bytes} 字节超过上限 {bytesMax}。请分块发送大型数据。",
  ),
  FRAME_TOO_DEEP: terminal(
    "INVALID_ARGUMENT",
    "A message is nested deeper than {depthMax} levels. Flatten the value.",
    "消息嵌套超过 {depthMax} 层。请减少嵌套。",
  ),
  FRAME_REPLAYED: terminal(
    "ABORTED",
    "A frame with sequence {sequence} arrived again. It was dropped; nothing needs to be done.",
    "序号为 {sequence} 的帧重复到达，已丢弃，无需处理。",
  ),
  VERSION_UNSUPPORTED: terminal(
    "FAILED_PRECONDITION",
    "The peer speaks protocol versions {offered}, this node {supported}. Update the older of the two.",
    "对方支持协议版本 {offered}，本节点支持 {supported}。请更新较旧的一方。",
  ),
  ...IDENTITY_ERRORS,
  // Local API
  ROUTE_UNKNOWN: terminal(
    "NOT_FOUND",
    "The local API has no {method} {path}. See what it has in /openapi.json.",
    "本地接口没有 {method} {path}。可用接口见 /openapi.json。",
  ),
  CONTENT_TYPE_REFUSED: terminal(
    "INVALID_ARGUMENT",
    "The local API does not read {contentType}. Send application/json.",
    "本地接口不接受 {contentType}。请发送 application/json。",
  ),
  BODY_TOO_LARGE: terminal(
    "RESOURCE_EXHAUSTED",
    "The request body exceeds {bytesMax} bytes. Send larger calls over the WebSocket at /api/ws.",
    "请求体超过 {bytesMax} 字节。更大的调用请使用 /api/ws 的 WebSocket。",
  ),
  // Reaching
  PEER_UNREACHABLE: transient(
    "UNAVAILABLE",
    "{peer} could not be reached: {reason}. Check that it runs (easynet status there).",
    "无法连接 {peer}：{reason}。请确认它正在运行（在那里执行 easynet status）。",
  ),
  LINK_CLOSED: transient(
    "UNAVAILABLE",
    "The link to {peer} closed: {reason}. It is dialled again by itself.",
    "与 {peer} 的连接已断开：{reason}。系统会自动重新连接。",
  ),
  BACKPRESSURE: transient(
    "RESOURCE_EXHAUSTED",
    "{peer} does not read fast enough; {bytes} bytes wait on lane {lane}. Slow down or try again.",
    "{peer} 读取过慢，通道 {lane} 上有 {bytes} 字节等待。请放慢速度或稍后重试。",
  ),
  BRIDGE_UNREACHABLE: transient(
    "UNAVAILABLE",
    "NATS at {servers} could not be used: {reason}. Check that it runs, with JetStream, and that the stream may be used.",
    "无法使用位于 {servers} 的 NATS：{reason}。请确认它正在运行、已启用 JetStream，并且可以使用该流。",
  ),
  DEPENDENCY_MISSING: terminal(
    "FAILED_PRECONDITION",
    "{subject} needs packages that are not installed. Install them: npm install {packages}.",
    "{subject} 所需的软件包尚未安装。请执行 npm install {packages} 进行安装。",
  ),
  PORT_IN_USE: terminal(
    "FAILED_PRECONDITION",
    "Port {port} is used by another program. Choose another with {option}, or 0 for any free one.",
    "端口 {port} 已被其他程序占用。请用 {option} 指定其他端口，或用 0 自动选择。",
  ),
  PACKAGE_MISSING: terminal(
    "FAILED_PRECONDITION",
    "{feature} needs a package that is not installed with easynet. Install it beside easynet: npm install {package} (with -g if easynet is installed so).",
    "{feature} 需要一个未随 easynet 安装的软件包。请安装在 easynet 旁边：npm install {package}（若 easynet 为全局安装，请加 -g）。",
  ),
  // Work
  NO_CAPABLE_AGENT: transient(
    "NOT_FOUND",
    "No agent in reach offers {capability}. See what is offered with easynet agents.",
    "当前没有可用的智能体提供 {capability}。用 easynet agents 查看可用能力。",
  ),
  CAPABILITY_UNKNOWN: terminal(
    "NOT_FOUND",
    "{agent} does not offer {capability}. See what it offers with easynet agents.",
    "{agent} 不提供 {capability}。用 easynet agents 查看它提供的能力。",
  ),
  CAPABILITY_EXISTS: terminal(
    "ALREADY_EXISTS",
    "{capability} is already registered on this node. Unregister it first or choose another name.",
    "{capability} 已在本节点注册。请先注销或换一个名称。",
  ),
  AGENT_EXISTS: terminal(
    "ALREADY_EXISTS",
    "An agent with the name {agent} is already on this node. Choose another name or take that one back first.",
    "本节点已有名为 {agent} 的智能体。请换一个名称，或先撤回原有的。",
  ),
  MESSAGE_UNKNOWN: terminal(
    "UNIMPLEMENTED",
    "{agent} does not handle messages of kind {kind}. Register a handler there, or send another kind.",
    "{agent} 不处理类型为 {kind} 的消息。请在对方注册处理函数，或改用其他类型。",
  ),
  KIND_UNKNOWN: terminal(
    "NOT_FOUND",
    "{kind} is no kind of message that this node knows. Define it first, or see easynet messages kinds.",
    "{kind} 不是本节点已知的消息类型。请先定义它，或查看 easynet messages kinds。",
  ),
  KIND_EXISTS: terminal(
    "ALREADY_EXISTS",
    "{kind} is defined or handled here already. Take that one back first or choose another name.",
    "{kind} 已在此定义或已有处理函数。请先撤回，或换一个名称。",
  ),
  PAYLOAD_INVALID: terminal(
    "INVALID_ARGUMENT",
    "The payload of a {kind} message does not fit: {reason}. Nothing was handled; correct the payload.",
    "{kind} 消息的内容不符合要求：{reason}。尚未处理，请改正内容。",
  ),
  ANSWER_UNKNOWN: terminal(
    "NOT_FOUND",
    "No answer is kept or awaited for the request {id}. Answers are kept for 10 minutes; send the request again.",
    "请求 {id} 没有等待中或保存的答复。答复保留 10 分钟；请重新发送请求。",
  ),
  MESSAGE_TOO_LARGE: terminal(
    "RESOURCE_EXHAUSTED",
    "A message of {bytes} bytes exceeds the limit of {bytesMax}. Send it as an artifact and its address as the message.",
    "消息大小 {bytes} 字节超过上限 {bytesMax}。请将内容作为工件发送，并在消息中给出其地址。",
  ),
  MESSAGE_EXPIRED: terminal(
    "DEADLINE_EXCEEDED",
    "A message to {peer} expired before it could leave this node. It is among the dead letters unless it was volatile; requeue it there.",
    "发往 {peer} 的消息在离开本节点之前已过期。除易失消息外，可在死信中找到并重新入队。",
  ),
  MESSAGE_NOT_FOUND: terminal(
    "NOT_FOUND",
    "There is no dead letter {key}. List them again: it may have been requeued or dropped.",
    "没有死信 {key}。请重新列出：它可能已重新入队或被丢弃。",
  ),
  FUNCTION_FAILED: terminal(
    "ABORTED",
    "{capability} failed with {name}: {reason}. The error comes from the function itself.",
    "{capability} 执行失败（{name}）：{reason}。错误来自函数本身。",
  ),
  OUTPUT_INVALID: terminal(
    "INTERNAL",
    "{capability} returned a value that does not fit its own schema: {reason}. Tell its owner.",
    "{capability} 的返回值不符合其声明的模式：{reason}。请告知其所有者。",
  ),
  RESULT_TOO_LARGE: terminal(
    "RESOURCE_EXHAUSTED",
    "The result of {capability} exceeds {bytesMax} bytes. Return less, or stream it in parts.",
    "{capability} 的结果超过 {bytesMax} 字节。请减少返回内容或分段流式返回。",
  ),
  INPUT_TOO_LARGE: terminal(
    "RESOURCE_EXHAUSTED",
    "The input of {capability} exceeds {bytesMax} bytes. Send less, or send it in several calls.",
    "{capability} 的输入超过 {bytesMax} 字节。请减少输入或分多次调用。",
  ),
  OVERLOADED: transient(
    "RESOURCE_EXHAUSTED",
    "{subject} has {queued} tasks waiting and takes no more. Try again later or ask another provider.",
    "{subject} 已有 {queued} 个任务等待，暂不接受新任务。请稍后重试或换一个提供者。",
  ),
  PROVIDER_LOST: terminal(
    "UNAVAILABLE",
    "{peer} was lost while it worked on {capability}; it is not known whether it finished. Check before you repeat it.",
    "{peer} 在执行 {capability} 时失联，无法确定是否完成。重复执行前请先核实。",
  ),
  PROVIDER_MISBEHAVED: terminal(
    "ABORTED",
    "{peer} broke the protocol on {capability}: {reason}. Its answer was dropped.",
    "{peer} 在 {capability} 上违反协议：{reason}。其应答已丢弃。",
  ),
  RECORDING_MISSING: terminal(
    "NOT_FOUND",
    "No recorded answer fits this input of {capability}. Record one, or call a live agent.",
    "没有与 {capability} 的此输入匹配的录制答案。请先录制，或调用在线智能体。",
  ),
  TASK_ID_REUSED: terminal(
    "ALREADY_EXISTS",
    "The task id {taskId} belongs to another call of {capability}. Nothing was run; use a new id, or the same arguments.",
    "任务编号 {taskId} 已属于 {capability} 的另一次调用，未执行任何操作。请使用新编号，或使用相同的参数。",
  ),
  TASK_FORGOTTEN: terminal(
    "NOT_FOUND",
    "{peer} has no task {taskId} of this caller, or no longer keeps its outcome. Nothing was run; check before you call again.",
    "{peer} 没有此调用方的任务 {taskId}，或已不再保留其结果。未执行任何操作；再次调用前请先核实。",
  ),
  TASK_INTERRUPTED: terminal(
    "ABORTED",
    "The task {taskId} of {capability} was cut short: {reason}. Part of its work may be done; check before you call again.",
    "{capability} 的任务 {taskId} 被中断：{reason}。部分工作可能已完成；再次调用前请先核实。",
  ),
  TASK_UNCERTAIN: terminal(
    "UNAVAILABLE",
    "{peer} may have done the task {taskId} of {capability} and is away. See easynet task {taskId} when it is back.",
    "{peer} 可能已执行 {capability} 的任务 {taskId}，但目前失联。待其恢复后用 easynet task {taskId} 查看。",
  ),
  BUDGET_EXCEEDED: terminal(
    "RESOURCE_EXHAUSTED",
    "The task reached its budget of {limit} {unit} and was stopped. Raise the budget to go on.",
    "任务已用完预算（{limit} {unit}）并停止。如需继续请提高预算。",
  ),
  DEADLINE_EXCEEDED: transient(
    "DEADLINE_EXCEEDED",
    "{subject} did not end within {timeoutMs} ms. Allow more time or try another provider.",
    "{subject} 未能在 {timeoutMs} 毫秒内完成。请延长时限或换一个提供者。",
  ),
  CANCELLED: terminal("CANCELLED", "{subject} was cancelled by its caller.", "{subject} 已被调用方取消。"),
  ...ARTIFACT_ERRORS,
  ...CRITICAL_ERRORS,
  ...STATE_ERRORS,
  // Node and storage
  STORAGE_FULL: transient(
    "RESOURCE_EXHAUSTED",
    "The disk under {path} is full; nothing was written. Free space, then try again.",
    "{path} 所在磁盘已满，未写入任何内容。请释放空间后重试。",
  ),
  STORAGE_FAILED: terminal(
    "INTERNAL",
    "The store {path} could not be used: {reason}. Stop the node, check the disk, start again.",
    "存储 {path} 无法使用：{reason}。请停止节点、检查磁盘后重新启动。",
  ),
  STORAGE_TOO_NEW: terminal(
    "FAILED_PRECONDITION",
    "The store {path} has schema {found}, this version knows up to {known}. Update easynet.",
    "存储 {path} 的模式版本为 {found}，当前程序只支持到 {known}。请更新 easynet。",
  ),
  NODE_NOT_RUNNING: transient(
    "UNAVAILABLE",
    "No node runs in {home}. Start one with easynet up.",
    "{home} 中没有运行的节点。请用 easynet up 启动。",
  ),
  NODE_ALREADY_RUNNING: terminal(
    "ALREADY_EXISTS",
    "A node already runs in {home} (process {pid}). Use it, or stop it with easynet down.",
    "{home} 中已有节点在运行（进程 {pid}）。请直接使用，或用 easynet down 停止。",
  ),
  NODE_STOPPING: transient(
    "UNAVAILABLE",
    "The node is stopping and takes no new work. Start it again with easynet up.",
    "节点正在停止，不再接受新任务。请用 easynet up 重新启动。",
  ),
  NODE_VERSION_TOO_OLD: terminal(
    "FAILED_PRECONDITION",
    "Node.js {found} is too old; easynet needs {needed} or newer. Update Node.js.",
    "Node.js {found} 版本过旧，easynet 需要 {needed} 或更新版本。请更新 Node.js。",
  ),
  RAFT_CHANGE_REFUSED: terminal(
    "FAILED_PRECONDITION",
    "The members of a group cannot be changed like that: {reason}. Nothing was changed; see easynet raft members.",
    "不能这样更改组成员：{reason}。未作任何更改；请查看 easynet raft members。",
  ),
  INTERNAL: terminal(
    "INTERNAL",
    "Something inside easynet failed: {reason}. Please report it with the output of easynet status --json.",
    "easynet 内部出错：{reason}。请附上 easynet status --json 的输出反馈。",
  ),
} satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_TABLE;

const HTTP_STATUS: Record<ErrorStatus, number> = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 412,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  DEADLINE_EXCEEDED: 504,
  CANCELLED: 499,
  UNAVAILABLE: 503,
  UNIMPLEMENTED: 501,
  DATA_LOSS: 500,
  INTERNAL: 500,
};

/** Codes for which HTTP has a more exact status than their kind. */
const HTTP_STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  HOST_REFUSED: 421,
  CONTENT_TYPE_REFUSED: 415,
  BODY_TOO_LARGE: 413,
};

/** CLI exit codes: 1 failed, 2 usage, 3 not found, 4 not authorised, 5 refused by a limit, 7 too late, 130 stopped by hand. */
const EXIT_CODE: Record<ErrorStatus, number> = {
  INVALID_ARGUMENT: 2,
  UNAUTHENTICATED: 4,
  PERMISSION_DENIED: 4,
  NOT_FOUND: 3,
  ALREADY_EXISTS: 1,
  FAILED_PRECONDITION: 1,
  ABORTED: 1,
  RESOURCE_EXHAUSTED: 5,
  DEADLINE_EXCEEDED: 7,
  CANCELLED: 130,
  UNAVAILABLE: 1,
  UNIMPLEMENTED: 1,
  DATA_LOSS: 1,
  INTERNAL: 1,
};

/** The HTTP status of a code (RFC 9110; 499 as in common proxies for a caller that went away). */
export function httpStatusOf(code: ErrorCode): number {
  return HTTP_STATUS_OF_CODE[code] ?? HTTP_STATUS[ERROR_TABLE[code].status];
}

/** The exit code of the `easynet` command for a code; 8 says that no node runs. */
export function exitCodeOf(code: ErrorCode): number {
  return code === "NODE_NOT_RUNNING" ? 8 : EXIT_CODE[ERROR_TABLE[code].status];
}
