// `node --experimental-websocket socket.js URL`: says hello, prints what comes and the close code.
const socket = new WebSocket(process.argv[2]);
socket.onopen = () => socket.send('hello');
socket.onmessage = (event) => console.log(event.data);
socket.onclose = (event) => console.log(event.code, event.wasClean);
