// `node upload.js URL SIZE`: what Node's http module gets for two uploads, and its connections.
const http = require('http');

const [url, size] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const used = new Set();

const upload = () => new Promise((resolve, reject) => {
  const request = http.request(url, { method: 'POST', agent, headers: { 'Content-Length': size } });
  request.on('socket', (socket) => used.add(socket));
  request.on('error', reject);
  request.on('response', (answer) => {
    answer.resume();
    answer.on('end', () => resolve(answer.statusCode));
  });
  request.end(Buffer.alloc(Number(size)));
});

(async () => {
  for (let count = 0; count < 2; count += 1) console.log(await upload());
  console.log(used.size);
  agent.destroy();
})();
