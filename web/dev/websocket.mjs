// The server half of a WebSocket, as much of RFC 6455 as a mock needs: text frames out; close and ping
// understood.
import { createHash } from 'node:crypto';

/** Answers an upgrade. Returns `{ send(text), close(code), destroy(), onclose }`, or null if it was none. */
export function accept(request, socket) {
  const key = request.headers['sec-websocket-key'];
  if (typeof key !== 'string') {
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    return null;
  }
  const token = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${token}\r\n\r\n`,
  );
  socket.setNoDelay(true);
  const session = {
    onclose: null,
    send: (text) => write(socket, 0x1, Buffer.from(text)),
    close: (code) => {
      const body = Buffer.alloc(2);
      body.writeUInt16BE(code);
      write(socket, 0x8, body);
      socket.end();
    },
    destroy: () => socket.destroy(),
  };
  listen(socket);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => session.onclose?.());
  return session;
}

function write(socket, opcode, payload) {
  if (socket.destroyed || !socket.writable) return;
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (head.length === 2) head[1] = length;
  else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  socket.write(Buffer.concat([head, payload]));
}

/** The page sends nothing but control frames, which are short. */
function listen(socket) {
  let rest = Buffer.alloc(0);
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 6) {
      const opcode = rest[0] & 0x0f;
      const length = rest[1] & 0x7f;
      if (length > 125) return socket.destroy();
      if (rest.length < 6 + length) return undefined;
      const mask = rest.subarray(2, 6);
      const body = Buffer.from(rest.subarray(6, 6 + length).map((byte, i) => byte ^ mask[i % 4]));
      rest = rest.subarray(6 + length);
      if (opcode === 0x9) write(socket, 0xa, body);
      if (opcode === 0x8) {
        write(socket, 0x8, body.subarray(0, 2));
        socket.end();
      }
    }
    return undefined;
  });
}
