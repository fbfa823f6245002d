// The head turns on the neck, the shoulders less.
in vec3 in_position; in vec3 in_normal;          // this frame
in vec3 in_rest; in vec4 in_masks; in vec2 in_extra;  // fixed: masks = lips, eyelids, ears, mouth inside
uniform mat3 head_turn; uniform mat3 body_turn; uniform vec3 pivot; uniform mat4 camera; uniform mat4 view;
out vec3 normal; out vec3 place; out vec3 rest; out vec4 masks; out float occlusion; flat out int part;
void main() {
    float with_head = smoothstep(-0.20, -0.10, in_rest.y);
    mat3 turn = head_turn * with_head + body_turn * (1.0 - with_head);
    vec3 world = turn * (in_position - pivot) + pivot;
    normal = mat3(view) * (turn * in_normal);
    vec4 seen = view * vec4(world, 1.0);
    place = seen.xyz;
    rest = in_rest; masks = in_masks; occlusion = in_extra.x; part = int(in_extra.y + 0.5);
    gl_Position = camera * seen;
}
