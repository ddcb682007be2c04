// Hands the microphone's samples over in pieces of about 50 ms, as signed 16-bit.
class Pieces extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(sampleRate / 20));
    this.filled = 0;
  }

  process([channels]) {
    const samples = channels[0];
    if (samples) {
      for (const sample of samples) {
        this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
        if (this.filled === this.piece.length) {
          this.port.postMessage(this.piece);
          this.filled = 0;
        }
      }
    }
    return true;
  }
}

registerProcessor("pieces", Pieces);
