'use strict';

const { Server } = require('socket.io');
const { Ear } = require('./ears');

/**
 * A Socket.IO server without clients: it sends to the other one, which receives everything at most
 * once.
 */
class SocketIo {
  #x;
  #io;
  #told = 0;

  constructor(x, tell) {
    this.#x = x;
    this.#io = new Server({ adapter: x.backplane.socketIoAdapter() });
    x.count('socketIoAdapter');
    const ear = new Ear('serverSideEmit', x.name, 'told', tell);
    this.#io.on('told', (from, n) => ear.take({ from, n }));
  }

  async round() {
    this.#told += 1;
    this.#io.emit('news', this.#told);
    this.#io.serverSideEmit('told', this.#x.name, this.#told);
    await this.#x.act('adapter.serverCount', () => this.#io.of('/').adapter.serverCount());
  }

  close() {
    return this.#io.of('/').adapter.close();
  }
}

module.exports = { SocketIo };
