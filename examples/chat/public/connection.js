import { io } from '/socket.io/socket.io.esm.min.js';

const PATIENCE_MS = 10_000;

/** An error that the server answers with. */
export class Refused extends Error {
  constructor({ code, message, retryAfterMs, limit }) {
    super(message);
    Object.assign(this, { code, retryAfterMs, limit });
  }
}

export function connect() {
  const socket = io({ transports: ['websocket'] });

  /** Resolves to the answer. Rejects with a Refused, or if there is none in time. */
  async function ask(event, fields = {}) {
    const answer = await socket.timeout(PATIENCE_MS).emitWithAck(event, fields);
    if (!answer.ok) throw new Refused(answer);
    return answer;
  }

  return { socket, ask };
}
