// An origin on Node's own http module: `node echo.js PORT JOURNAL`. It answers what it saw.
const http = require('http');
const fs = require('fs');
const crypto = require('crypto');

const [port, path, names] = process.argv.slice(2);
const journal = fs.openSync(path, 'a');
const asked = JSON.parse(names);

http.createServer((request, response) => {
  const pieces = [];
  request.on('error', () => {});
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const body = Buffer.concat(pieces);
    const url = new URL(request.url, 'http://origin');
    const seen = {
      method: request.method,
      target: request.url,
      path: url.pathname,
      host: request.headers.host,
      length: body.length,
      hash: crypto.createHash('sha256').update(body).digest('hex'),
    };
    for (const [word, name] of Object.entries(asked)) {
      seen[word] = request.headers[name.toLowerCase()] ?? null;
    }
    const said = JSON.stringify(seen);
    fs.writeSync(journal, said + '\n');
    response.writeHead(200, { 'Content-Length': Buffer.byteLength(said) });
    response.end(said);
  });
}).listen(Number(port), '127.0.0.1');
