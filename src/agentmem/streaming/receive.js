// @ts-check
/**
 * Receives the events of a turn in a browser. No dependency; needs fetch and ReadableStream.
 *
 *   import { receive } from "./receive.js";
 *   for await (const event of receive("/chat", { body: { prompt } })) {
 *     if (event.type === "message") answer.textContent += event.content;
 *   }
 *
 * When the connection is lost it comes back with the header Last-Event-ID and goes on after the last event that
 * arrived. It never repeats a request that it cannot resume: the agent would be asked twice.
 */

/** @typedef {{type: "message", content: string}} MessageEvent_ A piece of text; append it. */
/** @typedef {{type: "tool_use", tool_name: string, tool_input: Record<string, any>, tool_use_id: string,
 *   status: string}} ToolUseEvent */
/** @typedef {{type: "tool_result", tool_name: string, tool_result: any, tool_use_id: string,
 *   status: string}} ToolResultEvent */
/** @typedef {{type: "guardrail", source: string, action: string, assessments: any[]}} GuardrailEvent */
/** @typedef {{type: "metadata", data: Record<string, any>}} MetadataEvent */
/** @typedef {{type: "error", message: string, details: string | null}} ErrorEvent_ */
/** @typedef {{type: "done"}} DoneEvent */
/** @typedef {MessageEvent_ | ToolUseEvent | ToolResultEvent | GuardrailEvent | MetadataEvent | ErrorEvent_ |
 *   DoneEvent} StreamEvent */

/**
 * @typedef {object} ReceiveOptions
 * @property {any} [body] What to send: an object is sent as JSON. With a body the method is POST.
 * @property {string} [method] The HTTP method, if not POST with a body and GET without.
 * @property {Record<string, string>} [headers] Further headers.
 * @property {AbortSignal} [signal] Aborts the request; the loop ends with an AbortError.
 * @property {RequestCredentials} [credentials] As for fetch.
 * @property {number} [retries] How often in a row to come back after a lost connection; 5 unless given.
 * @property {(attempt: number) => void} [onReconnect] Called before each attempt to come back, from 1.
 * @property {typeof fetch} [fetch] Used instead of the global one.
 */

/**
 * @typedef {object} Frame
 * @property {string} id The id of the last frame that had one.
 * @property {string} event The event's name.
 * @property {string} data The data; empty for a frame that only carries `retry`.
 * @property {number | null} retry Milliseconds to wait before coming back.
 */

/** A server's answer that is no stream. */
export class ReceiveError extends Error {
  /**
   * @param {string} message
   * @param {number} status The HTTP status, or 0 when there was none.
   */
  constructor(message, status) {
    super(message);
    this.name = "ReceiveError";
    this.status = status;
  }
}

/** Reads Server-Sent Events from text that may be cut anywhere, as the standard says. */
export class FrameReader {
  constructor() {
    this.rest = "";
    this.id = "";
    this.first = true;
    /** @type {string[]} */
    this.data = [];
    this.event = "";
    /** @type {number | null} */
    this.retry = null;
  }

  /**
   * @param {string} text The next piece.
   * @returns {Frame[]} The frames that it completes.
   */
  feed(text) {
    if (this.first && text) {
      this.first = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    const buffer = this.rest + text;
    /** @type {Frame[]} */
    const frames = [];
    let start = 0;
    for (;;) {
      const end = lineEnd(buffer, Math.max(start, start === 0 ? this.rest.length - 1 : start));
      // A \r at the very end may be half of \r\n.
      if (end < 0 || (buffer[end] === "\r" && end === buffer.length - 1)) break;
      this.line(buffer.slice(start, end), frames);
      start = end + (buffer[end] === "\r" && buffer[end + 1] === "\n" ? 2 : 1);
    }
    this.rest = buffer.slice(start);
    return frames;
  }

  /**
   * @param {string} line
   * @param {Frame[]} frames
   */
  line(line, frames) {
    if (line === "") {
      if (this.data.length || this.retry !== null) {
        frames.push({ id: this.id, event: this.event || "message", data: this.data.join("\n"), retry: this.retry });
      }
      this.data = [];
      this.event = "";
      this.retry = null;
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

/**
 * Sends a request and yields the events of its answer, the last of which is `done`.
 *
 * @param {string | URL} url
 * @param {ReceiveOptions} [options]
 * @returns {AsyncGenerator<StreamEvent, void, undefined>}
 * @throws {ReceiveError} The server refused the request, or the connection was lost for good.
 */
export async function* receive(url, options = {}) {
  const { body, signal, credentials, retries = 5, onReconnect } = options;
  const send = options.fetch ?? fetch;
  const isText = typeof body === "string" || body instanceof Uint8Array;
  /** @type {Record<string, string>} */
  const headers = { Accept: "text/event-stream", ...options.headers };
  if (body !== undefined && !isText) headers["Content-Type"] ??= "application/json";
  const request = {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    body: body === undefined || isText ? body : JSON.stringify(body),
    signal,
    credentials,
    cache: /** @type {RequestCache} */ ("no-store"),
  };
  let lastId = "";
  let wait = 1000;
  let failures = 0;
  for (;;) {
    /** @type {unknown} */
    let lost;
    try {
      const response = await send(url, {
        ...request,
        headers: lastId ? { ...headers, "Last-Event-ID": lastId } : headers,
      });
      // While it restarts a server may answer 502 or 503: that is a lost connection when there is something to resume.
      if (!response.ok && !(lastId && response.status >= 500)) throw await refusal(response);
      if (!response.ok || !response.body) throw new TypeError(`status ${response.status}`);
      for await (const frame of frames(response.body)) {
        if (frame.retry !== null) wait = frame.retry;
        if (!frame.data) continue;
        const event = parsed(frame.data);
        failures = 0;
        lastId = frame.id;
        yield event;
        if (event.type === "done") return;
      }
      lost = new TypeError("the stream ended before its last event");
    } catch (error) {
      if (error instanceof ReceiveError || signal?.aborted) throw error;
      lost = error;
    }
    failures += 1;
    if (!lastId || failures > retries) {
      const reason = lost instanceof Error ? lost.message : String(lost);
      throw new ReceiveError(`The connection was lost and cannot be resumed: ${reason}`, 0);
    }
    onReconnect?.(failures);
    // A server that restarts is not met by all its clients at once.
    await pause(wait * 2 ** (failures - 1) * (0.75 + Math.random() / 2), signal);
  }
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<Frame, void, undefined>}
 */
async function* frames(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const lines = new FrameReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return; // an unfinished frame is sent again after the last id
      yield* lines.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Whoever leaves the loop closes the connection, and the turn is cancelled.
    reader.cancel().catch(() => undefined);
  }
}

/**
 * @param {string} data
 * @returns {StreamEvent}
 */
function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new ReceiveError("The server's stream holds something else than events.", 0);
  }
}

/**
 * @param {string} text
 * @param {number} from
 * @returns {number}
 */
function lineEnd(text, from) {
  const newline = text.indexOf("\n", from);
  const carriage = text.indexOf("\r", from);
  if (newline < 0) return carriage;
  return carriage < 0 ? newline : Math.min(newline, carriage);
}

/**
 * @param {Response} response
 * @returns {Promise<ReceiveError>}
 */
async function refusal(response) {
  const text = (await response.text().catch(() => "")).slice(0, 500);
  return new ReceiveError(text || response.statusText || `status ${response.status}`, response.status);
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
