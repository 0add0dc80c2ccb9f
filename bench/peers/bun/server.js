// The Bun peer: Bun.serve's own WebSocket server (uWebSockets inside), one
// process, its publish for the fan-out.
const [hostname, port] = argument('-addr', '127.0.0.1:0').split(/:(?=\d+$)/)

const certFile = argument('--tls-cert', '')
const deflate = process.argv.includes('--deflate')

const server = Bun.serve({
  hostname,
  port: Number(port),
  tls: certFile ? { cert: Bun.file(certFile), key: Bun.file(argument('--tls-key', '')) } : undefined,
  fetch (request, server) {
    const path = new URL(request.url).pathname
    if (server.upgrade(request, { data: path })) return
    return new Response('not a WebSocket request', { status: 426 })
  },
  websocket: {
    perMessageDeflate: deflate,
    maxPayloadLength: 16 << 20,
    idleTimeout: 0,
    sendPings: false,
    open (ws) {
      if (ws.data === '/sub') ws.subscribe('all')
    },
    message (ws, message) {
      switch (ws.data) {
        case '/sub': break
        case '/pub': server.publish('all', message); break
        default: ws.send(message, deflate)
      }
    }
  }
})

console.log('ready', `${hostname}:${server.port}`)
process.on('SIGTERM', () => process.exit(0))

function argument (name, otherwise) {
  const at = process.argv.indexOf(name)
  return at < 0 ? otherwise : process.argv[at + 1]
}
