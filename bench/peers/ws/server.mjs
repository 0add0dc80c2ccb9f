// The ws peer: the server most tutorials for Node show, one process, no
// compression unless it is asked for.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { WebSocketServer } from 'ws'

const [host, port] = argument('-addr', '127.0.0.1:0').split(/:(?=\d+$)/)
const deflate = process.argv.includes('--deflate') && { threshold: 256, zlibDeflateOptions: { level: 1 } }
const certFile = argument('--tls-cert', '')
const server = certFile
  ? createSecureServer({ cert: readFileSync(certFile), key: readFileSync(argument('--tls-key', '')) })
  : createServer()
const wss = new WebSocketServer({ server, perMessageDeflate: deflate, maxPayload: 16 << 20 })
const subscribers = new Set()

wss.on('connection', (socket, request) => {
  socket.on('error', () => {})
  switch (request.url) {
    case '/sub':
      subscribers.add(socket)
      socket.on('close', () => subscribers.delete(socket))
      break
    case '/pub':
      socket.on('message', (data, binary) => {
        for (const s of subscribers) s.send(data, { binary })
      })
      break
    default:
      socket.on('message', (data, binary) => socket.send(data, { binary }))
  }
})

server.listen({ host, port: Number(port), backlog: 65535 }, () => console.log('ready', `${host}:${server.address().port}`))
process.on('SIGTERM', () => process.exit(0))

function argument (name, otherwise) {
  const at = process.argv.indexOf(name)
  return at < 0 ? otherwise : process.argv[at + 1]
}
