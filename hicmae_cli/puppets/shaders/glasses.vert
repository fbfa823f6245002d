in vec3 in_position; in vec3 in_normal;
uniform mat3 head_turn; uniform vec3 pivot; uniform mat4 camera; uniform mat4 view;
out vec3 normal; out vec3 place;
void main() {
    vec4 seen = view * vec4(head_turn * (in_position - pivot) + pivot, 1.0);
    normal = mat3(view) * (head_turn * in_normal); place = seen.xyz; gl_Position = camera * seen;
}
