in vec2 in_corner; out vec2 at;
uniform vec2 shift;
void main() { at = in_corner * 0.45 + 0.5 + shift; gl_Position = vec4(in_corner, 0.9999, 1.0); }
